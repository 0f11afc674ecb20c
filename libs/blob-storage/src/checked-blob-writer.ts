import { BlobWriter, type StorageKey } from './blob-storage.js';
import { WriterMisuse } from './errors.js';

/** How the wrapper makes a call of an adapter: errors wrapped, the observer told. */
export type WriterCall = (operation: 'write' | 'commit' | 'cancel', call: () => Promise<void>, bytes?: () => number) => Promise<void>;

/** Holds a writer to its contract: nothing after its end, and exactly the bytes that were announced. */
export class CheckedWriter extends BlobWriter {
  private ended: 'committed' | 'cancelled' | undefined;

  constructor(private readonly key: StorageKey, private readonly announced: number | undefined, private readonly inner: BlobWriter, private readonly call: WriterCall) {
    super();
  }

  override get size(): number {
    return this.inner.size;
  }

  override get keepsChunks(): boolean {
    return this.inner.keepsChunks;
  }

  override write(chunk: Buffer): Promise<void> | undefined {
    if (this.ended) return Promise.reject(this.afterEnd());
    if (this.announced !== undefined && this.inner.size + chunk.length > this.announced) {
      return Promise.reject(new WriterMisuse(this.key, `was announced ${this.announced} bytes and got more; cancel it`));
    }
    // Most writes take the chunk at once: no promise is made for them.
    const taken = this.inner.write(chunk);
    return taken && this.call('write', () => taken);
  }

  override async commit(): Promise<void> {
    if (this.ended) throw this.afterEnd();
    if (this.announced !== undefined && this.inner.size !== this.announced) {
      await this.cancel();
      throw new WriterMisuse(this.key, `was announced ${this.announced} bytes and got ${this.inner.size}; nothing was kept`);
    }
    this.ended = 'committed';
    await this.call('commit', () => this.inner.commit(), () => this.inner.size);
  }

  override cancel(): Promise<void> {
    this.ended ??= 'cancelled';
    return this.call('cancel', () => this.inner.cancel());
  }

  private afterEnd(): WriterMisuse {
    return new WriterMisuse(this.key, `is ${this.ended}; it takes no more calls`);
  }
}
