/** Bytes that an entry takes beside its own: two objects, their memory outside the heap, the digest and its place in the table. */
const ENTRY = 512;

/**
 * Immutable bytes by digest, the least recently used given up first. Holds what content *is*, never who may see it or whether it is there:
 * that is asked of the database on every request (event-log.md section 8).
 */
export class ByteCache {
  private readonly entries = new Map<string, Entry>();
  private bytes = 0;

  /** @param limit bytes of memory at most, what entries take beside their bytes included; the bytes of one may be an eighth of it */
  constructor(private readonly limit: number) {}

  get(digest: string): Buffer | undefined {
    const entry = this.entries.get(digest);
    if (entry === undefined) return undefined;
    // a Map keeps insertion order, so the first key is the one unused for longest
    this.entries.delete(entry.digest);
    this.entries.set(entry.digest, entry);
    return entry.bytes;
  }

  set(digest: string, bytes: Buffer): void {
    if (bytes.length > this.limit / 8 || this.entries.has(digest)) return;
    // a digest that a request named is a piece of its URL, up to 16 KiB that it would keep from being freed
    const own = Buffer.from(digest, 'latin1').toString('latin1');
    // a small buffer is often a piece of a slab of 64 KiB
    this.entries.set(own, { digest: own, bytes: bytes.length < bytes.buffer.byteLength ? copyOf(bytes) : bytes });
    this.bytes += bytes.length + ENTRY;
    for (const [oldest, entry] of this.entries) {
      if (this.bytes <= this.limit) return;
      this.entries.delete(oldest);
      this.bytes -= entry.bytes.length + ENTRY;
    }
  }
}

interface Entry {
  /** The key: whoever asks has another string of it. */
  readonly digest: string;
  readonly bytes: Buffer;
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
