import { BlobWriter, type StorageKey } from '../blob-storage.js';
import { WriterMisuse } from '../errors.js';

/** What a writer needs of the storage that made it. */
export interface MemoryAccount {
  /** @throws StorageFull where `bytes` more do not fit */
  take(bytes: number): void;
  commit(object: Buffer): void;
  cancel(bytes: number): void;
}

/** Holds on to the chunks and joins them once, at commit. */
export class MemoryWriter extends BlobWriter {
  private chunks: Buffer[] = [];
  private taken = 0;
  private state: 'open' | 'committed' | 'cancelled' = 'open';

  constructor(private readonly key: StorageKey, private readonly account: MemoryAccount) {
    super();
  }

  override get size(): number {
    return this.taken;
  }

  override write(chunk: Buffer): Promise<void> | undefined {
    try {
      this.demandOpen();
      this.account.take(chunk.length);
    } catch (error) {
      return Promise.reject(error);
    }
    this.taken += chunk.length;
    this.chunks.push(chunk);
    return undefined;
  }

  override async commit(): Promise<void> {
    this.demandOpen();
    this.state = 'committed';
    this.account.commit(Buffer.concat(this.chunks, this.taken));
    this.chunks = [];
  }

  override async cancel(): Promise<void> {
    if (this.state !== 'open') return;
    this.state = 'cancelled';
    this.chunks = [];
    this.account.cancel(this.taken);
  }

  private demandOpen(): void {
    if (this.state !== 'open') throw new WriterMisuse(this.key, `is ${this.state}; it takes no more calls`);
  }
}
