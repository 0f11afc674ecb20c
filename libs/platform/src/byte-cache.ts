/**
 * Immutable bytes by digest, the least recently used given up first. Holds what content *is*, never who may see it or whether it is there:
 * that is asked of the database on every request (event-log.md section 8).
 */
export class ByteCache {
  private readonly entries = new Map<string, Buffer>();
  private bytes = 0;

  /** @param limit bytes held at most; one entry may take an eighth of it */
  constructor(private readonly limit: number) {}

  get(digest: string): Buffer | undefined {
    const entry = this.entries.get(digest);
    if (entry === undefined) return undefined;
    // a Map keeps insertion order, so the first key is the one unused for longest
    this.entries.delete(digest);
    this.entries.set(digest, entry);
    return entry;
  }

  set(digest: string, entry: Buffer): void {
    if (entry.length > this.limit / 8 || this.entries.has(digest)) return;
    this.entries.set(digest, entry);
    this.bytes += entry.length;
    for (const [oldest, bytes] of this.entries) {
      if (this.bytes <= this.limit) return;
      this.entries.delete(oldest);
      this.bytes -= bytes.length;
    }
  }
}
