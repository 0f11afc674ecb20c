import { createHash } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { BlobWriter } from '@waybill/blob-storage';
import { transfer } from './transfer.js';

/** Copies what it takes where `keeps` is false, and asks to wait for every second chunk. */
class ListingWriter extends BlobWriter {
  readonly taken: Buffer[] = [];
  readonly waits: (() => void)[] = [];
  size = 0;

  constructor(private readonly keeps: boolean) {
    super();
  }

  override get keepsChunks(): boolean {
    return this.keeps;
  }

  override write(chunk: Buffer): Promise<void> | undefined {
    this.size += chunk.length;
    if (this.taken.length % 2 === 0) {
      this.taken.push(this.keeps ? chunk : Buffer.from(chunk));
      return undefined;
    }
    return new Promise((resolve) => this.waits.push(() => {
      this.taken.push(this.keeps ? chunk : Buffer.from(chunk));
      resolve();
    }));
  }

  override async commit(): Promise<void> {}
  override async cancel(): Promise<void> {}
}

/** Chunks with memory of their own, as the parser of HTTP makes them. */
function chunksOf(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: bytes.length / size }, (_, i) => Buffer.from(new Uint8Array(bytes.subarray(i * size, (i + 1) * size)).buffer));
}

describe('the chunks of a body', () => {
  const bytes = Buffer.from(Array.from({ length: 4096 }, (_, i) => i % 251));

  /** Sends the bytes in chunks of 1 KiB, and lets the writer go on whenever it waits. */
  async function moved(writer: ListingWriter, chunks: readonly Buffer[]): Promise<string> {
    const source = new IncomingMessage(new Socket());
    const hash = createHash('sha256');
    const end = transfer(source, writer, hash);
    for (const chunk of chunks) {
      source.push(chunk);
      await nextTurn();
      // not before the writer has it
      if (writer.waits.length > 0) expect(chunk).toHaveLength(1024);
      writer.waits.shift()?.();
      await nextTurn();
    }
    source.push(null);
    expect(await end).toBe('complete');
    expect(Buffer.concat(writer.taken).equals(bytes)).toBe(true);
    return hash.digest('hex');
  }

  it.each([true, false])('are freed as soon as the writer has no use for them, and not before (a writer that keeps them: %s)', async (keeps) => {
    const chunks = chunksOf(bytes, 1024);
    expect(await moved(new ListingWriter(keeps), chunks)).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(chunks.map(({ length }) => length)).toEqual(keeps ? [1024, 1024, 1024, 1024] : [0, 0, 0, 0]);
  });
});
