import { closeSync, constants } from 'node:fs';
import { hasCode, openFile, writeAt } from './disk.js';

/** Bytes of a block, and what one write past the page cache moves. */
const BLOCK = 1024 * 1024;
/** What O_DIRECT asks of position, length and memory: the largest sector of a disk. */
const SECTOR = 4096;
/** Uploads of a process that have blocks at a time: 16 MiB. One that gets none goes through the page cache. */
const MOST_PAIRS = 8;

/** One is filled while the other is written. */
interface BlockPair {
  filling: Buffer;
  other: Buffer;
}

/** Memory of a process that O_DIRECT takes. A resizable ArrayBuffer is made of whole pages; one of fixed size begins 16 bytes behind one. */
export class BlockPool {
  private readonly free: BlockPair[] = [];
  private made = 0;
  /** The file system has no O_DIRECT, or does not take our blocks. */
  refused = false;

  take(): BlockPair | undefined {
    const pair = this.free.pop();
    if (pair !== undefined || this.made === MOST_PAIRS) return pair;
    this.made += 1;
    return { filling: this.allocate(), other: this.allocate() };
  }

  give(pair: BlockPair): void {
    this.free.push(pair);
  }

  protected allocate(): Buffer {
    return Buffer.from(new ArrayBuffer(BLOCK, { maxByteLength: BLOCK }));
  }
}

/** A part of a file that stands at the begin of a block. The first `lead` bytes, up to the begin of a sector, go through the page cache. */
interface Part {
  readonly block: Buffer;
  readonly position: number;
  readonly lead: number;
  /** Bytes behind the lead; whole sectors. */
  readonly whole: number;
}

/**
 * The later bytes of a large file, written past the page cache: the kernel copies none of them and has none to write out later (ADR 0037). What does
 * not fill a block waits in it until `end`. A failure is told to whoever waits for the running write, and by every later call.
 */
export class DirectBlocks {
  private held = 0;
  private writing: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly pool: BlockPool,
    private readonly pair: BlockPair,
    /** Through the page cache: the bytes up to the first sector's begin, those behind the last block, and all of them where O_DIRECT is refused. */
    private readonly fd: number,
    private directFd: number | undefined,
    private position: number,
  ) {}

  /** @param position of the next byte in the file. Undefined where the file system, the pool or the number of descriptors does not allow it. */
  static async open(pool: BlockPool, path: string, fd: number, position: number): Promise<DirectBlocks | undefined> {
    if (pool.refused) return undefined;
    const pair = pool.take();
    if (pair === undefined) return undefined;
    try {
      return new DirectBlocks(pool, pair, fd, await openFile(path, constants.O_WRONLY | constants.O_DIRECT), position);
    } catch (error) {
      pool.refused = hasCode(error, 'EINVAL');
      pool.give(pair);
      return undefined;
    }
  }

  /** Copies a chunk, which may be used again at once. A promise asks the caller to wait: the next call comes after it. */
  write(chunk: Buffer, from = 0): Promise<void> | undefined {
    // a call that waited while somebody closed: the blocks may be another upload's by now, and the descriptors other files
    if (this.closing) return undefined;
    if (this.failure !== undefined) return Promise.reject(this.failure.error);
    for (let at = from; at < chunk.length;) {
      const copied = chunk.copy(this.pair.filling, this.held, at);
      at += copied;
      this.held += copied;
      if (this.held < BLOCK) return undefined;
      const next = at;
      if (this.writing) {
        return this.writing.then(() => {
          if (this.closing) return undefined;
          this.begin();
          return this.write(chunk, next);
        });
      }
      this.begin();
    }
    return undefined;
  }

  /** Writes what waits. The caller syncs the file: what was written past the cache has yet to be named by the file system. */
  async end(): Promise<void> {
    await this.writing;
    if (this.failure !== undefined) throw this.failure.error;
    await putAt(this.fd, this.pair.filling, 0, this.held, this.position);
    this.held = 0;
  }

  /** Waits for the running write and begins no other, whoever waits to. Called again it is the same call. */
  close(): Promise<void> {
    this.closing ??= this.release();
    return this.closing;
  }

  private async release(): Promise<void> {
    await Promise.allSettled([this.writing]);
    this.pool.give(this.pair);
    const fd = this.directFd;
    this.directFd = undefined;
    if (fd !== undefined) closeSync(fd);
  }

  /** Starts to write the full block; what stands behind its last whole sector moves to the other one. */
  private begin(): void {
    const { pair, position } = this;
    const block = pair.filling;
    const lead = -position & (SECTOR - 1);
    const whole = BLOCK - lead - ((BLOCK - lead) % SECTOR);
    pair.filling = pair.other;
    pair.other = block;
    this.held = block.copy(pair.filling, 0, lead + whole);
    this.position = position + lead + whole;
    const writing = this.put({ block, position, lead, whole })
      .catch((error: unknown) => {
        this.failure = { error };
        throw error;
      })
      .finally(() => { this.writing = undefined; });
    writing.catch(() => undefined);
    this.writing = writing;
  }

  private async put({ block, position, lead, whole }: Part): Promise<void> {
    if (lead > 0) {
      await putAt(this.fd, block, 0, lead, position);
      block.copyWithin(0, lead);
    }
    const written = await this.putDirect(block, whole, position + lead);
    // a disk that is almost full takes a part, and says so at the next call
    await putAt(this.fd, block, written, whole, position + lead + written);
  }

  private async putDirect(block: Buffer, length: number, position: number): Promise<number> {
    if (this.directFd === undefined) return 0;
    try {
      return await writeAt(this.directFd, block, 0, length, position);
    } catch (error) {
      if (!hasCode(error, 'EINVAL')) throw error;
      this.pool.refused = true;
      closeSync(this.directFd);
      this.directFd = undefined;
      return 0;
    }
  }
}

async function putAt(fd: number, block: Buffer, from: number, to: number, position: number): Promise<void> {
  for (let at = from; at < to;) at += await writeAt(fd, block, at, to - at, position + at - from);
}
