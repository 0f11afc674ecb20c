const FIRST = 64 * 1024;

/**
 * Collects the bytes of one part. Chunks are copied in and free at once, so that thousands of tiny chunks cost no more memory than the
 * part; the room doubles as needed, so that a small object does not take a whole part.
 */
export class PartBuffer {
  private room: Buffer;
  private used = 0;

  /** @param expected bytes that are sure to come, where known */
  constructor(private readonly capacity: number, expected = 0) {
    this.room = Buffer.allocUnsafeSlow(Math.min(capacity, expected > 0 ? expected : FIRST));
  }

  get length(): number {
    return this.used;
  }

  get full(): boolean {
    return this.used === this.capacity;
  }

  get bytes(): Buffer {
    return this.room.subarray(0, this.used);
  }

  /** Takes what fits and returns how many bytes that were. */
  take(chunk: Buffer): number {
    const taken = Math.min(chunk.length, this.capacity - this.used);
    this.grow(this.used + taken);
    chunk.copy(this.room, this.used, 0, taken);
    this.used += taken;
    return taken;
  }

  private grow(needed: number): void {
    if (needed <= this.room.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.min(this.capacity, Math.max(needed, this.room.length * 2)));
    this.room.copy(larger, 0, 0, this.used);
    this.room = larger;
  }
}
