import { closeSync, fstatSync, writevSync } from 'node:fs';
import { BlobWriter, type StorageKey } from '../blob-storage.js';
import { ObjectMissing, WriterMisuse } from '../errors.js';
import { DirectBlocks, type BlockPool } from './direct-blocks.js';
import { diskError, removeFile, syncData, writeChunks } from './disk.js';
import type { Durability } from './durability.js';
import { objectPath } from './layout.js';
import { createFile, createFileNow } from './new-file.js';
import type { Pace } from './pace.js';
import type { PreparedFile } from './prepared-files.js';

/** A body up to this size is held and written by one call at commit. */
const SMALL = 64 * 1024;
/** Bytes and chunks gathered for one writev: half as many bytes cost 7 % more CPU per GB, twice as many save nothing. 1024 is IOV_MAX. */
const GATHER = 1024 * 1024;
const GATHER_CHUNKS = 1024;
/** Dirty bytes after which an fdatasync runs beside the writing: commit has little left to wait for, and the kernel does not throttle. */
const SYNC_EVERY = 32 * 1024 * 1024;
/** Milliseconds after which more than a small body is written although the client is silent: what it holds in memory is bounded by SMALL then. */
const IDLE_MS = 1_000;

/** What a writer shares with the storage that made it. */
export interface WriterSurroundings {
  readonly root: string;
  readonly pace: Pace;
  readonly durability: Durability;
  readonly blocks: BlockPool;
  /** Bytes of a file after which the rest goes past the page cache; 0 for none. */
  readonly directFrom: number;
  /** Called once, at the writer's end, whichever it is. */
  ended(): void;
}

/**
 * Writes a file under its final name. One writev and one fdatasync run at a time; `write` asks the caller to wait where a further MiB
 * is gathered before the running writev ends, so a writer holds 2 MiB and a chunk at most (64 KiB while its client is silent), and has
 * 64 MiB dirty at most.
 *
 * The writev runs on libuv's threads. With the hash on the loop that costs the same CPU as writevSync (0.79 s/GB) and moves 1.5
 * instead of 1.2 GB/s, and it never holds up the loop, where single calls of writevSync took up to 28 ms on a fast disk.
 */
export class FilesystemWriter extends BlobWriter {
  private taken = 0;
  private state: 'open' | 'committed' | 'cancelled' | 'failed' = 'open';
  private failure: unknown;
  private fd: number | undefined;
  private gathered: Buffer[] = [];
  private gatheredBytes = 0;
  private writing: Promise<void> | undefined;
  private syncing: Promise<void> | undefined;
  private unsynced = 0;
  private appended = 0;
  private direct: DirectBlocks | undefined;
  private idle: NodeJS.Timeout | undefined;

  /** @param prepared the key's file where it was made ahead; this writer's from now on */
  constructor(private readonly key: StorageKey, private readonly at: WriterSurroundings, private readonly prepared?: PreparedFile) {
    super();
  }

  override get size(): number {
    return this.taken;
  }

  override get keepsChunks(): boolean {
    return this.direct === undefined || this.gathered.length > 0 || this.writing !== undefined;
  }

  override write(chunk: Buffer): Promise<void> | undefined {
    if (this.state !== 'open') return Promise.reject(this.refusal());
    if (chunk.length === 0) return undefined;
    this.taken += chunk.length;
    if (this.direct && this.gathered.length === 0 && !this.writing) return this.fill(this.direct, chunk);
    this.gathered.push(chunk);
    this.gatheredBytes += chunk.length;
    if (this.direct) {
      if (!this.writing) this.flush();
      return this.writing;
    }
    if (this.gatheredBytes < GATHER && this.gathered.length < GATHER_CHUNKS) {
      if (this.gatheredBytes > SMALL) this.idle ??= setTimeout(() => this.flushIdle(), IDLE_MS).unref();
      return undefined;
    }
    if (this.writing) return this.writing.then(() => this.flush());
    this.flush();
    return undefined;
  }

  override async commit(): Promise<void> {
    if (this.state !== 'open') throw this.refusal();
    this.state = 'committed';
    try {
      if (this.prepared?.opening) await this.arrival();
      const small = this.fd === undefined && !this.writing && this.taken <= SMALL && this.at.pace.quick;
      const fd = small ? this.putSmall() : await this.putRest();
      this.fd = undefined;
      this.at.durability.begin(this.key, fd, this.prepared?.naming, this.syncing);
    } catch (error) {
      throw await this.fail(error);
    }
    this.at.ended();
  }

  override async cancel(): Promise<void> {
    if (this.state === 'committed') return;
    if (this.state === 'open') this.state = 'cancelled';
    await Promise.allSettled([this.writing]);
    await this.remove();
  }

  /** Blocks take a chunk while it is in the processor's cache; nothing is gathered before them. */
  private fill(direct: DirectBlocks, chunk: Buffer): Promise<void> | undefined {
    return direct.write(chunk)?.catch(async (error: unknown) => { throw await this.fail(error); });
  }

  private flushIdle(): void {
    this.idle = undefined;
    // a running writev is followed by more chunks, or by the next second of silence
    if (this.writing) this.idle = setTimeout(() => this.flushIdle(), IDLE_MS).unref();
    else if (this.gatheredBytes > 0) this.flush();
  }

  /** Starts to write what is gathered. A failure is told to whoever waits for the running writev, or else by the next call. */
  private flush(): void {
    if (this.state !== 'open') return;
    clearTimeout(this.idle);
    this.idle = undefined;
    const chunks = this.gathered;
    const bytes = this.gatheredBytes;
    this.gathered = [];
    this.gatheredBytes = 0;
    const writing = this.put(chunks, bytes)
      .catch(async (error: unknown) => { throw await this.fail(error); })
      .finally(() => { this.writing = undefined; });
    writing.catch(() => undefined);
    this.writing = writing;
  }

  private async put(chunks: readonly Buffer[], bytes: number): Promise<void> {
    const fd = await this.file();
    if (this.direct) {
      for (const chunk of chunks) await this.direct.write(chunk);
      return;
    }
    await writeChunks(fd, chunks, bytes);
    this.appended += bytes;
    if (this.at.directFrom > 0 && this.appended >= this.at.directFrom) this.direct = await DirectBlocks.open(this.at.blocks, objectPath(this.at.root, this.key), fd, this.appended);
    this.unsynced += bytes;
    if (this.unsynced < SYNC_EVERY) return;
    await this.syncing;
    this.unsynced = 0;
    this.syncing = syncData(fd);
    this.syncing.catch(() => undefined);
  }

  private putSmall(): number {
    return this.at.pace.measure(() => {
      const fd = this.prepared?.fd ?? createFileNow(this.at.root, this.key);
      this.fd = fd;
      for (let rest = this.gathered, left = this.taken; left > 0;) {
        const written = writevSync(fd, rest);
        left -= written;
        rest = left > 0 ? [Buffer.concat(rest).subarray(written)] : [];
      }
      // one made right here cannot have lost its name; one made hours ago can
      if (this.prepared) this.demandName(fd);
      return fd;
    });
  }

  private async putRest(): Promise<number> {
    await this.writing;
    if (this.gatheredBytes > 0) await this.put(this.gathered, this.gatheredBytes);
    await this.direct?.end();
    await this.direct?.close();
    const fd = await this.file();
    this.demandName(fd);
    return fd;
  }

  /** A delete that another process made meanwhile took the name away; the bytes would be gone with the descriptor. */
  private demandName(fd: number): void {
    if (fstatSync(fd).nlink === 0) throw new ObjectMissing(this.key);
  }

  private async file(): Promise<number> {
    if (this.prepared?.opening) await this.arrival();
    this.fd ??= this.prepared?.fd ?? await createFile(this.at.root, this.key);
    return this.fd;
  }

  /** Waits for a file that is being made. Where it cannot be made, this writer tries itself and meets the error. */
  private async arrival(): Promise<void> {
    await this.prepared?.opening?.catch(() => undefined);
  }

  /** Removes what was written and returns the error that every further call gets. */
  private async fail(error: unknown): Promise<unknown> {
    if (this.state === 'failed') return this.failure;
    if (this.state !== 'cancelled') this.state = 'failed';
    this.failure = diskError(error, this.at.root);
    // A file that cannot be removed now is found by its intent row; the first error is the one to tell.
    await this.remove().catch(() => undefined);
    return this.failure;
  }

  private async remove(): Promise<void> {
    this.gathered = [];
    // not let go of: whoever else removes waits for the running write as well
    await this.direct?.close();
    await Promise.allSettled([this.syncing, this.prepared?.opening]);
    const fd = this.fd ?? this.prepared?.fd;
    this.fd = undefined;
    if (this.prepared) this.prepared.fd = undefined;
    try {
      // Without a descriptor no file was made here, and one of this name belongs to somebody else.
      if (fd === undefined) return;
      closeSync(fd);
      await removeFile(objectPath(this.at.root, this.key));
    } finally {
      this.at.ended();
    }
  }

  private refusal(): unknown {
    return this.state === 'failed' ? this.failure : new WriterMisuse(this.key, `is ${this.state}; it takes no more calls`);
  }
}
