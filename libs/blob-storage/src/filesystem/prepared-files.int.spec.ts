import { rename } from 'node:fs/promises';
import { DependencyUnavailable, StorageFull } from '@waybill/oci';
import { mayMount, mountSmallDisk, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import type { StorageKey } from '../blob-storage.js';
import { CheckedBlobStorage, type BlobStorageCall } from '../checked-blob-storage.js';
import { ObjectMissing } from '../errors.js';
import { newStorageKey, parseStorageKey } from '../storage-key.js';
import { filesOf, openDescriptors } from '../testing/folders.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import { BlockPool } from './direct-blocks.js';
import { Durability, type SyncKind } from './durability.js';
import { FilesystemBlobStorage } from './filesystem-blob-storage.js';
import { FilesystemWriter } from './filesystem-writer.js';
import { Pace } from './pace.js';
import { PreparedFiles } from './prepared-files.js';

const newKeys = (count: number): StorageKey[] => Array.from({ length: count }, newStorageKey);

describe('prepared files', () => {
  let folder: TemporaryFolder;
  let calls: SyncKind[];
  let failing: SyncKind | undefined;
  let storage: FilesystemBlobStorage;
  const observe = (kind: SyncKind): void => {
    calls.push(kind);
    if (kind === failing) throw new Error('the disk is gone');
  };

  beforeEach(async () => {
    folder = await temporaryFolder('prepared');
    calls = [];
    failing = undefined;
    storage = await FilesystemBlobStorage.open({ root: folder.path, observe });
  });
  afterEach(async () => {
    await storage.close();
    expect(openDescriptors(folder.path)).toBe(0);
    await folder.remove();
  });

  it('take one fsync of their directory for the batch and none for its objects', async () => {
    const keys = newKeys(64);
    await storage.prepare(keys);
    expect(calls.sort()).toEqual(['directory', 'root']);
    calls = [];
    await Promise.all(keys.map(async key => {
      await upload(storage, key, bytesOf(4096), 4096);
      await storage.persist(key);
    }));
    expect(calls).toEqual(keys.map(() => 'file'));
    calls = [];
    await storage.prepare(newKeys(64));
    expect(calls).toEqual(['directory']);
  });

  it('take one fsync for each directory that they are in', async () => {
    const keys = newKeys(20);
    const older = keys.map(key => parseStorageKey(`000001${key.slice(6)}`));
    await storage.prepare(keys.flatMap((key, i) => [key, older[i] ?? key]));
    expect(calls.filter(kind => kind === 'directory').length).toBe(2);
  });

  it('a writer that comes before the fsync of its name waits for one', async () => {
    const keys = newKeys(64);
    const [key] = keys;
    if (key === undefined) throw new Error('no key');
    failing = 'directory';
    const prepared = storage.prepare(keys).catch(String);
    await upload(storage, key, bytesOf(10), 10);
    await expect(storage.persist(key)).rejects.toThrow('the disk is gone');
    expect(await prepared).toContain('the disk is gone');
  });

  it('hold 256 descriptors at most, none of a written file, and none after close, which removes what was not written', async () => {
    const keys = newKeys(300);
    await storage.prepare(keys.slice(0, 200));
    await storage.prepare(keys.slice(200));
    expect(openDescriptors(folder.path)).toBe(256);
    expect((await filesOf(folder.path)).length).toBe(256);
    for (const key of keys.slice(0, 280)) {
      await upload(storage, key, bytesOf(100), 100);
      await storage.persist(key);
    }
    expect(openDescriptors(folder.path)).toBe(0);
    await storage.prepare(newKeys(50));
    expect(openDescriptors(folder.path)).toBe(50);
    await storage.close();
    expect(openDescriptors(folder.path)).toBe(0);
    expect((await filesOf(folder.path)).sort()).toEqual(keys.slice(0, 280));
    await storage.prepare(newKeys(1));
    expect(openDescriptors(folder.path)).toBe(0);
  });

  it.each([100, 200_000])('a writer of %i bytes notices that another process deleted its file', async size => {
    const [key] = newKeys(1);
    if (key === undefined) throw new Error('no key');
    await storage.prepare([key]);
    const another = await FilesystemBlobStorage.open({ root: folder.path });
    await another.delete(key);
    await another.close();
    await expect(upload(storage, key, bytesOf(size), size)).rejects.toBeInstanceOf(ObjectMissing);
    await expect(storage.persist(key)).rejects.toBeInstanceOf(ObjectMissing);
    expect(openDescriptors(folder.path)).toBe(0);
  });

  it('files that another process deleted take up no room', async () => {
    const another = await FilesystemBlobStorage.open({ root: folder.path });
    const gone = newKeys(256);
    await storage.prepare(gone);
    for (const key of gone) await another.delete(key);
    await another.close();
    await storage.prepare(newKeys(64));
    expect((await filesOf(folder.path)).length).toBe(64);
    expect(openDescriptors(folder.path)).toBe(64);
  });

  it('whose fsync failed are removed, and a later writer makes its file and that fsync anew', async () => {
    const keys = newKeys(10);
    failing = 'directory';
    await expect(storage.prepare(keys)).rejects.toThrow('the disk is gone');
    expect(await filesOf(folder.path)).toEqual([]);
    expect(openDescriptors(folder.path)).toBe(0);
    failing = undefined;
    calls = [];
    const [key] = keys;
    if (key === undefined) throw new Error('no key');
    await upload(storage, key, bytesOf(10), 10);
    await storage.persist(key);
    expect(calls.sort()).toEqual(['directory', 'file', 'root']);
  });

  it('an fdatasync that failed is final for a prepared key too', async () => {
    const [key] = newKeys(1);
    if (key === undefined) throw new Error('no key');
    await storage.prepare([key]);
    failing = 'file';
    await upload(storage, key, bytesOf(10), 10);
    await expect(storage.persist(key)).rejects.toThrow('the disk is gone');
    failing = undefined;
    await expect(storage.persist(key)).rejects.toThrow('the disk is gone');
    await storage.delete(key);
    await expect(storage.persist(key)).rejects.toBeInstanceOf(ObjectMissing);
  });

  it('a root that is gone is told to the observer and ends no upload that comes after it is back', async () => {
    const told: BlobStorageCall[] = [];
    const checked = new CheckedBlobStorage(storage, call => told.push(call));
    await rename(folder.path, `${folder.path}-away`);
    const keys = newKeys(3);
    await expect(checked.prepare(keys)).rejects.toBeInstanceOf(DependencyUnavailable);
    expect(told).toEqual([expect.objectContaining({ operation: 'prepare', error: expect.any(DependencyUnavailable) })]);
    await rename(`${folder.path}-away`, folder.path);
    for (const key of keys) await upload(checked, key, bytesOf(10), 10);
  });
});

describe('prepared files on a slow disk', () => {
  let folder: TemporaryFolder;
  let pace: Pace;
  let durability: Durability;
  let files: PreparedFiles;

  beforeEach(async () => {
    folder = await temporaryFolder('slow');
    let now = 0;
    pace = new Pace(() => now);
    for (let i = 0; i < 20; i++) pace.measure(() => { now += 8; });
    expect(pace.quick).toBe(false);
    durability = new Durability(folder.path, () => undefined);
    files = new PreparedFiles(folder.path, pace, durability);
  });
  afterEach(async () => {
    await files.close();
    await durability.settled();
    expect(openDescriptors(folder.path)).toBe(0);
    await folder.remove();
  });

  const writerOf = (key: StorageKey): FilesystemWriter =>
    new FilesystemWriter(key, { root: folder.path, pace, durability, blocks: new BlockPool(), directFrom: 0, ended: () => undefined }, files.take(key));

  it.each([10, 200_000])('a writer of %i bytes waits for the file that a thread makes for it', async size => {
    const [key, ...others] = newKeys(64);
    if (key === undefined) throw new Error('no key');
    const prepared = files.prepare([key, ...others]);
    expect(openDescriptors(folder.path)).toBeLessThanOrEqual(1);
    const [writer, bytes] = [writerOf(key), bytesOf(size)];
    await writer.write(bytes);
    await writer.commit();
    await Promise.all([durability.persist(key), prepared]);
    const storage = await FilesystemBlobStorage.open({ root: folder.path });
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
    await storage.close();
  });

  it('a writer cancelled, and a delete, while a thread makes the file leave nothing behind', async () => {
    const [one, two] = [newKeys(2), newKeys(2)];
    const prepared = [files.prepare(one), files.prepare(two)];
    await Promise.all([...one.map(key => writerOf(key).cancel()), ...two.map(key => files.discard(key))]);
    await Promise.all(prepared);
    expect(await filesOf(folder.path)).toEqual([]);
  });

  it('close ends what is being made', async () => {
    const prepared = files.prepare(newKeys(64));
    await files.close();
    await prepared;
    expect(await filesOf(folder.path)).toEqual([]);
  });
});

describe('prepared files on a full disk', () => {
  if (!mayMount()) {
    it.skip('needs a small file system', () => undefined);
    return;
  }

  it('are as many as there is room for; only the upload that finds none is refused', async () => {
    const disk = mountSmallDisk('nr_inodes=34');
    const storage = await FilesystemBlobStorage.open({ root: disk.path });
    try {
      const keys = newKeys(64);
      await expect(storage.prepare(keys)).rejects.toBeInstanceOf(StorageFull);
      const made = (await filesOf(disk.path)).length;
      expect(made).toBeGreaterThan(20);
      for (const key of keys.slice(0, made)) await upload(storage, key, bytesOf(10), 10);
      for (const key of keys.slice(made)) await expect(upload(storage, key, bytesOf(10), 10)).rejects.toBeInstanceOf(StorageFull);
      for (const key of keys.slice(0, made)) await storage.persist(key);
    } finally {
      await storage.close();
      disk.remove();
    }
  });
});
