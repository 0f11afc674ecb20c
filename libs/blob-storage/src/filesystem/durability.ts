import { closeSync, constants } from 'node:fs';
import type { StorageKey } from '../blob-storage.js';
import { ObjectMissing } from '../errors.js';
import { diskError, hasCode, openFile, syncData, syncDirectoryOnce } from './disk.js';
import { directoryName, directoryPath, objectPath } from './layout.js';
import { SharedSync } from './shared-sync.js';

/** What is told to `observe`, once for each call that waits for the disk. */
export type SyncKind = 'file' | 'directory' | 'root';

const REMEMBERED_KEYS = 4096;

/**
 * Makes committed files survive the loss of power: fdatasync of the file, an fsync of its directory shared with everybody who commits
 * there, and, once per directory and process, an fsync of the root, which holds the directory's own name.
 *
 * A failed fdatasync is final for its key: the kernel drops the dirty pages and reports the error once, so a later success would be a
 * lie. Such a key stays failed until it is deleted.
 */
export class Durability {
  private readonly directories = new Map<string, SharedSync>();
  private readonly rootSync: SharedSync;
  /** Directories whose own name is durable. */
  private readonly named = new Set<string>();
  private readonly running = new Set<Promise<void>>();
  /** Running work of commits, and work that failed. */
  private readonly pending = new Map<StorageKey, Promise<void>>();
  /** The latest keys that were made durable, so that persist after commit asks nothing of the disk. */
  private readonly durable = new Set<StorageKey>();

  constructor(private readonly root: string, private readonly observe: (kind: SyncKind) => void) {
    this.rootSync = new SharedSync(() => this.syncDirectory(root, 'root'));
  }

  /**
   * Begins the work for a file just committed and closes `fd` at its end.
   * @param earlier an fdatasync of the same file that still runs; its failure counts
   */
  begin(key: StorageKey, fd: number, earlier?: Promise<void>): void {
    const work = this.work(key, fd, earlier);
    this.pending.set(key, work);
    work.then(() => {
      if (this.pending.get(key) === work) this.remember(key);
    }, () => undefined);
  }

  async persist(key: StorageKey): Promise<void> {
    const pending = this.pending.get(key);
    if (pending) return pending;
    if (this.durable.has(key)) return;
    await this.work(key, await this.open(key));
    this.remember(key);
  }

  forget(key: StorageKey): void {
    this.pending.delete(key);
    this.durable.delete(key);
  }

  /** Resolves when no work is running, that of forgotten keys included. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.running);
  }

  private async open(key: StorageKey): Promise<number> {
    try {
      return await openFile(objectPath(this.root, key), constants.O_RDONLY);
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? new ObjectMissing(key, error) : error;
    }
  }

  private work(key: StorageKey, fd: number, earlier?: Promise<void>): Promise<void> {
    const work = this.sync(key, fd, earlier).finally(() => this.running.delete(work));
    this.running.add(work);
    return work;
  }

  private async sync(key: StorageKey, fd: number, earlier?: Promise<void>): Promise<void> {
    const name = directoryName(key);
    const results = await Promise.allSettled([this.syncFile(fd, earlier), this.directory(key).flush(), this.nameDirectory(name)]);
    const failure = results.find(result => result.status === 'rejected');
    if (failure) throw diskError(failure.reason, this.root);
  }

  private async syncFile(fd: number, earlier?: Promise<void>): Promise<void> {
    try {
      await earlier;
      this.observe('file');
      await syncData(fd);
    } finally {
      closeSync(fd);
    }
  }

  private directory(key: StorageKey): SharedSync {
    const name = directoryName(key);
    const known = this.directories.get(name);
    if (known) return known;
    const path = directoryPath(this.root, key);
    const sync = new SharedSync(() => this.syncDirectory(path, 'directory'));
    this.directories.set(name, sync);
    return sync;
  }

  /** Also for a directory that was there already: whoever made it may have died before its fsync. */
  private async nameDirectory(name: string): Promise<void> {
    if (this.named.has(name)) return;
    await this.rootSync.flush();
    this.named.add(name);
  }

  private syncDirectory(path: string, kind: SyncKind): Promise<void> {
    this.observe(kind);
    return syncDirectoryOnce(path);
  }

  private remember(key: StorageKey): void {
    this.pending.delete(key);
    this.durable.add(key);
    if (this.durable.size <= REMEMBERED_KEYS) return;
    for (const oldest of this.durable) {
      this.durable.delete(oldest);
      return;
    }
  }
}
