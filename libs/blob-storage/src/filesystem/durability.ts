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
 * there (a prepared file has had it), and, once per directory and process, an fsync of the root, which holds the directory's own name.
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
  /** The latest keys that were made durable, so that persist after commit asks nothing of the disk, and those before them. */
  private durable = new Set<StorageKey>();
  private durableBefore = new Set<StorageKey>();

  constructor(private readonly root: string, private readonly observe: (kind: SyncKind) => void) {
    this.rootSync = new SharedSync(() => this.syncDirectory(root, 'root'));
  }

  /**
   * Begins the work for a file just committed and closes `fd` at its end.
   * @param names what makes the file's name durable, where it was begun already
   * @param earlier an fdatasync of the same file that still runs; its failure counts
   */
  begin(key: StorageKey, fd: number, names?: Promise<void>, earlier?: Promise<void>): void {
    const work = this.work(fd, names ?? this.name(key), earlier);
    this.pending.set(key, work);
    work.then(() => {
      if (this.pending.get(key) === work) this.remember(key);
    }, () => undefined);
  }

  /** Makes the names durable that stand in the key's directory now. */
  async name(key: StorageKey): Promise<void> {
    await bothEnd(this.directory(key).flush(), this.nameDirectory(directoryName(key)));
  }

  async persist(key: StorageKey): Promise<void> {
    const pending = this.pending.get(key);
    if (pending) return pending;
    if (this.durable.has(key) || this.durableBefore.has(key)) return;
    await this.work(await this.open(key), this.name(key));
    this.remember(key);
  }

  forget(key: StorageKey): void {
    this.pending.delete(key);
    this.durable.delete(key);
    this.durableBefore.delete(key);
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

  private work(fd: number, names: Promise<void>, earlier?: Promise<void>): Promise<void> {
    const work = this.sync(fd, names, earlier).finally(() => this.running.delete(work));
    this.running.add(work);
    return work;
  }

  private async sync(fd: number, names: Promise<void>, earlier?: Promise<void>): Promise<void> {
    try {
      await bothEnd(this.syncFile(fd, earlier), names);
    } catch (error) {
      throw diskError(error, this.root);
    }
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

  /** Two generations: taking the oldest out of one Set would step over the holes that those before it left. */
  private remember(key: StorageKey): void {
    this.pending.delete(key);
    this.durable.add(key);
    if (this.durable.size < REMEMBERED_KEYS) return;
    this.durableBefore = this.durable;
    this.durable = new Set();
  }
}

/** Waits for both, also where one has failed. */
async function bothEnd(one: Promise<void>, other: Promise<void>): Promise<void> {
  const failure = (await Promise.allSettled([one, other])).find(result => result.status === 'rejected');
  if (failure) throw failure.reason;
}
