import { closeSync, fstatSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StorageKey } from '../blob-storage.js';
import { WriterMisuse } from '../errors.js';
import { diskError, removeFile } from './disk.js';
import type { Durability } from './durability.js';
import { directoryName, objectPath } from './layout.js';
import { createFile, createFileNow } from './new-file.js';
import type { Pace } from './pace.js';

/** Most files that wait for a writer; each holds a descriptor. */
const MOST = 256;
/** Milliseconds of one turn of the event loop that go into making files, and the file that is being made then. */
const SLICE_MS = 0.5;

/** An empty file under the name of a key. Its fields change until it is durable, also in the hands of a writer that came before. */
export interface PreparedFile {
  /** Undefined before the file is made. */
  fd: number | undefined;
  /** Runs while a thread makes the file; rejects where it could not. */
  opening: Promise<void> | undefined;
  /** The fsync that covers the file's name, once it has begun. Where it failed, no later one makes up for it. */
  naming: Promise<void> | undefined;
}

type Batch = Map<StorageKey, PreparedFile>;

/**
 * Files made ahead of their writers, so that one fsync of a directory serves many small objects. A file has one owner at any time: it
 * waits here, or a writer took it. Whoever takes it out of the map closes its descriptor and, unless it is committed, removes it.
 */
export class PreparedFiles {
  private readonly files = new Map<StorageKey, PreparedFile>();
  private readonly running = new Set<Promise<void>>();
  private closed = false;

  constructor(private readonly root: string, private readonly pace: Pace, private readonly durability: Durability) {}

  has(key: StorageKey): boolean {
    return this.files.has(key);
  }

  /** Makes the files of `keys`, of as many as there is room for, and their names durable. Those made before a failure stay of use. */
  prepare(keys: readonly StorageKey[]): Promise<void> {
    const batch = this.enter(keys);
    const work = this.work(batch).finally(() => this.running.delete(work));
    this.running.add(work);
    return work;
  }

  /** The key's file for its writer; undefined where none was made or is being made, and from then on none will be. */
  take(key: StorageKey): PreparedFile | undefined {
    const file = this.files.get(key);
    if (file === undefined) return undefined;
    this.files.delete(key);
    return file.fd === undefined && file.opening === undefined ? undefined : file;
  }

  /** Closes and removes the file of a key that will not be written. */
  async discard(key: StorageKey): Promise<void> {
    const file = this.take(key);
    await file?.opening?.catch(() => undefined);
    if (file?.fd === undefined) return;
    closeSync(file.fd);
    await removeFile(objectPath(this.root, key));
  }

  /** Removes the files that nobody wrote. What cannot be removed now is found by its intent row. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.allSettled([...this.files.keys()].map(key => this.discard(key)));
    await Promise.allSettled(this.running);
  }

  private enter(keys: readonly StorageKey[]): Batch {
    const batch: Batch = new Map();
    if (this.closed) return batch;
    if (this.files.size + keys.length > MOST) this.forgetRemoved();
    for (const key of keys) {
      if (this.files.size >= MOST) break;
      if (this.files.has(key)) continue;
      const file: PreparedFile = { fd: undefined, opening: undefined, naming: undefined };
      this.files.set(key, file);
      batch.set(key, file);
    }
    return batch;
  }

  /** Files that another process deleted would take up room for ever. */
  private forgetRemoved(): void {
    for (const [key, { fd }] of this.files) {
      if (fd === undefined || fstatSync(fd).nlink > 0) continue;
      this.files.delete(key);
      closeSync(fd);
    }
  }

  private async work(batch: Batch): Promise<void> {
    try {
      await this.make(batch);
    } catch (error) {
      throw diskError(error, this.root);
    } finally {
      for (const [key, file] of batch) {
        if (file.fd !== undefined) continue;
        batch.delete(key);
        if (this.files.get(key) === file) this.files.delete(key);
      }
      await this.name(batch);
    }
  }

  private async make(batch: Batch): Promise<void> {
    let until = performance.now() + SLICE_MS;
    for (const [key, file] of batch) {
      if (performance.now() >= until) {
        await nextTurn();
        until = performance.now() + SLICE_MS;
      }
      // a writer or a delete took the key, and may have ended since: a file made now would be nobody's
      if (this.files.get(key) !== file) continue;
      try {
        if (this.pace.quick) file.fd = this.pace.measure(() => createFileNow(this.root, key));
        else await this.makeOnThread(key, file);
      } catch (error) {
        // the key was used before; its writer is told
        if (!(error instanceof WriterMisuse)) throw error;
      }
    }
  }

  private async makeOnThread(key: StorageKey, file: PreparedFile): Promise<void> {
    file.opening = createFile(this.root, key).then(fd => { file.fd = fd; });
    try {
      await file.opening;
    } finally {
      file.opening = undefined;
    }
  }

  private async name(batch: Batch): Promise<void> {
    const directories = new Map(Array.from(batch.keys(), key => [directoryName(key), key]));
    const naming = Promise.all(Array.from(directories.values(), key => this.durability.name(key))).then(() => undefined);
    for (const file of batch.values()) file.naming = naming;
    try {
      await naming;
    } catch (error) {
      // the kernel reports the error once, so no later fsync vouches for these names: a writer makes its file anew
      const waiting = Array.from(batch.keys()).filter(key => this.files.get(key) === batch.get(key));
      await Promise.allSettled(waiting.map(key => this.discard(key)));
      throw error;
    }
  }
}
