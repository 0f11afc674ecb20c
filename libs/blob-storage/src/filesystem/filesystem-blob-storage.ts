import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { directoryFault, makeDirectories } from '@waybill/platform';
import { BlobStorage, type BlobWriter, type ByteRange, type ByteSink, type StorageKey } from '../blob-storage.js';
import { ObjectMissing, WriterMisuse } from '../errors.js';
import { BlockPool } from './direct-blocks.js';
import { hasCode, removeFile, syncDirectoryOnce } from './disk.js';
import { Durability, type SyncKind } from './durability.js';
import { readFile } from './filesystem-reader.js';
import { FilesystemWriter } from './filesystem-writer.js';
import { objectPath } from './layout.js';
import { Pace } from './pace.js';
import { PreparedFiles } from './prepared-files.js';
import { Probe } from './probe.js';

/** A layer of a base image is smaller and often pulled at once; what is larger is read again rarely enough. */
const DIRECT_FROM = 8 * 1024 * 1024;

export interface FilesystemOptions {
  /** Folder of the objects; made with its parents where it is missing. Several processes may use one folder. */
  readonly root: string;
  /** Bytes of a file after which the rest is written past the page cache where the file system can; 0 for none. Default: 8 MiB. */
  readonly directFrom?: number;
  /** Told of every call that waits for the disk. */
  readonly observe?: (kind: SyncKind) => void;
}

/**
 * Objects as files, in the layout drawn in layout.ts.
 *
 * A file carries its final name from its first byte, a prepared one from before it (ADR 0012), so nothing is renamed and a commit costs
 * no more than the last write. In exchange the directory alone does not tell a committed file from one whose writer still runs in
 * another process or has died: `read` and `stat` of such a key may show the bytes written so far. Only keys recorded in the database
 * after commit are ever asked for, and the intent row of a dead writer's key leads the reaper to the file. A mark on the file (its mode,
 * an attribute) was left out: volume managers and restores rewrite modes, and a lost mark would hide good objects.
 *
 * A deleted file may come back after a loss of power, as an object without a row, which a storage check finds: `delete` does not sync.
 */
export class FilesystemBlobStorage extends BlobStorage {
  private readonly pace = new Pace();
  private readonly probe: Probe;
  private readonly durability: Durability;
  private readonly prepared: PreparedFiles;
  private readonly writers = new Map<StorageKey, FilesystemWriter>();

  private readonly blocks = new BlockPool();

  private constructor(private readonly root: string, private readonly directFrom: number, observe: (kind: SyncKind) => void) {
    super();
    this.probe = new Probe(root);
    this.durability = new Durability(root, observe);
    this.prepared = new PreparedFiles(root, this.pace, this.durability);
  }

  /** Throws in plain words where the root is no directory and cannot be made. */
  static async open(options: FilesystemOptions): Promise<FilesystemBlobStorage> {
    const root = resolve(options.root);
    await makeRoot(root);
    return new FilesystemBlobStorage(root, options.directFrom ?? DIRECT_FROM, options.observe ?? (() => undefined));
  }

  override prepare(keys: readonly StorageKey[]): Promise<void> {
    return this.prepared.prepare(keys.filter(key => !this.writers.has(key)));
  }

  override create(key: StorageKey): BlobWriter {
    if (this.writers.has(key)) throw new WriterMisuse(key, 'is the second one of this key; make a new key for every upload');
    const writer = new FilesystemWriter(key, {
      root: this.root,
      pace: this.pace,
      durability: this.durability,
      blocks: this.blocks,
      directFrom: this.directFrom,
      ended: () => this.writers.delete(key),
    }, this.prepared.take(key));
    this.writers.set(key, writer);
    return writer;
  }

  override async persist(key: StorageKey): Promise<void> {
    if (this.isUncommitted(key)) throw new ObjectMissing(key);
    await this.durability.persist(key);
  }

  override async read(key: StorageKey, range: ByteRange | undefined, sink: ByteSink): Promise<void> {
    if (this.isUncommitted(key)) throw new ObjectMissing(key);
    await readFile(objectPath(this.root, key), key, range, sink, this.pace);
  }

  override async stat(key: StorageKey): Promise<number | undefined> {
    if (this.isUncommitted(key)) return undefined;
    try {
      return (await stat(objectPath(this.root, key))).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  override async delete(key: StorageKey): Promise<void> {
    await this.writers.get(key)?.cancel();
    await this.prepared.discard(key);
    this.durability.forget(key);
    await removeFile(objectPath(this.root, key));
  }

  override async presign(): Promise<undefined> {
    return undefined;
  }

  override check(): Promise<void> {
    return this.probe.check();
  }

  /** Cancels the writers that still run, removes what was prepared and not written, and waits for the disk to take what was committed. */
  override async close(): Promise<void> {
    await Promise.all([this.prepared.close(), ...[...this.writers.values()].map(writer => writer.cancel())]);
    await this.durability.settled();
  }

  /** Has a file of this process that nobody may read. */
  private isUncommitted(key: StorageKey): boolean {
    return this.writers.has(key) || this.prepared.has(key);
  }
}

/** What is made survives the loss of power. */
async function makeRoot(root: string): Promise<void> {
  try {
    for (const made of makeDirectories(root, 0o750).toReversed()) await syncDirectoryOnce(dirname(made));
  } catch (error) {
    throw new Error(directoryFault({ name: 'storage', setting: 'WAYBILL_STORAGE_ROOT' }, root, error), { cause: error });
  }
}
