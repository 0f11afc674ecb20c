import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { rename, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { DependencyUnavailable, StorageFull } from '@waybill/oci';
import { mayMount, mountSmallDisk, RunningChild, temporaryFolder, type SmallDisk, type TemporaryFolder } from '@waybill/testing';
import type { BlobStorage } from '../blob-storage.js';
import { CheckedBlobStorage } from '../checked-blob-storage.js';
import { ObjectMissing, TruncatedObject } from '../errors.js';
import { newStorageKey, parseStorageKey } from '../storage-key.js';
import { describeBlobStorage, type BlobStorageUnderTest } from '../testing/blob-storage.contract.js';
import { filesOf, openDescriptors } from '../testing/folders.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import type { SyncKind } from './durability.js';
import { FilesystemBlobStorage } from './filesystem-blob-storage.js';
import { objectPath } from './layout.js';

const MiB = 1024 * 1024;

async function underTest(wrap: (storage: BlobStorage) => BlobStorage, directFrom?: number): Promise<BlobStorageUnderTest> {
  const folder = await temporaryFolder('fs');
  const root = join(folder.path, 'a', 'blobs');
  const options = { root, ...(directFrom === undefined ? {} : { directFrom }) };
  const storage = wrap(await FilesystemBlobStorage.open(options));
  return {
    storage,
    openAnother: async () => wrap(await FilesystemBlobStorage.open(options)),
    list: () => filesOf(root),
    close: async () => {
      await storage.close();
      expect(openDescriptors(root)).toBe(0);
      await folder.remove();
    },
  };
}

const supports = { sharing: true, refusesUsedKeys: true, presign: false, checks: false };
const sizes = [32 * MiB + 1, 70 * MiB];
describeBlobStorage({ name: 'filesystem', supports, sizes, create: () => underTest(storage => storage) });
describeBlobStorage({ name: 'filesystem, past the page cache from the second MiB on', supports, sizes, create: () => underTest(storage => storage, 1) });
describeBlobStorage({ name: 'filesystem, checked', supports: { ...supports, checks: true }, sizes, create: () => underTest(storage => new CheckedBlobStorage(storage)) });

describe('the filesystem storage', () => {
  let folder: TemporaryFolder;
  let calls: SyncKind[];
  let storage: FilesystemBlobStorage;
  const open = (): Promise<FilesystemBlobStorage> => FilesystemBlobStorage.open({ root: folder.path, observe: kind => calls.push(kind) });
  const count = (kind: SyncKind): number => calls.filter(call => call === kind).length;

  beforeEach(async () => {
    folder = await temporaryFolder('fs');
    calls = [];
    storage = await open();
  });
  afterEach(async () => {
    await storage.close();
    expect(openDescriptors(folder.path)).toBe(0);
    await folder.remove();
  });

  it('keeps no chunk of a large file once it writes past the page cache', async () => {
    const writer = storage.create(newStorageKey());
    const kept: boolean[] = [];
    for (let i = 0; i < 12; i++) {
      await writer.write(bytesOf(MiB));
      kept.push(writer.keepsChunks);
    }
    expect([kept[0], kept.at(-1)]).toEqual([true, false]);
    await writer.cancel();
  });

  it('holds no more than a small body in memory for a client that is silent', async () => {
    const key = newStorageKey();
    const writer = storage.create(key);
    const bytes = bytesOf(300_000);
    await writer.write(bytes.subarray(0, 200_000));
    const written = async (): Promise<number> => (await stat(objectPath(folder.path, key)).catch(() => undefined))?.size ?? 0;
    expect(await written()).toBe(0);
    for (let tries = 0; tries < 100 && (await written()) < 200_000; tries++) await delay(50);
    expect(await written()).toBe(200_000);
    await writer.write(bytes.subarray(200_000));
    await writer.commit();
    await storage.persist(key);
    expect(await readAll(storage, key)).toEqual(bytes);
  });

  it('syncs each file once, shares the fsync of the directory, and makes its name durable once', async () => {
    const keys = Array.from({ length: 32 }, newStorageKey);
    const writers = keys.map(key => storage.create(key));
    await Promise.all(writers.map(async writer => writer.write(bytesOf(4096))));
    await Promise.all(writers.map(writer => writer.commit()));
    await Promise.all(keys.map(key => storage.persist(key)));
    expect(count('file')).toBe(32);
    // One for the first committer and one for all who came while it ran; some more where a busy disk spread the commits.
    expect(count('directory')).toBeLessThanOrEqual(8);
    expect(count('root')).toBeLessThanOrEqual(2);

    calls = [];
    await Promise.all(keys.map(key => storage.persist(key)));
    expect(calls).toEqual([]);
    const key = newStorageKey();
    await upload(storage, key, bytesOf(100), 100);
    await storage.persist(key);
    expect(calls.sort()).toEqual(['directory', 'file']);
  });

  it('persists what another process wrote by syncs of its own, the name of the directory included', async () => {
    const key = newStorageKey();
    await upload(storage, key, bytesOf(1000), 1000);
    await storage.persist(key);
    const another = await open();
    calls = [];
    await another.persist(key);
    expect(calls.sort()).toEqual(['directory', 'file', 'root']);
    await expect(another.persist(newStorageKey())).rejects.toBeInstanceOf(ObjectMissing);
    await another.close();
  });

  it('may show what an unfinished writer of another process wrote, and deletes it', async () => {
    const key = newStorageKey();
    const another = await open();
    const writer = another.create(key);
    for (let i = 0; i < 4; i++) await writer.write(bytesOf(MiB));
    while ((await storage.stat(key)) === undefined) await delay(1);
    expect(await another.stat(key)).toBeUndefined();
    await storage.delete(key);
    await expect(writer.commit()).rejects.toBeInstanceOf(ObjectMissing);
    expect(await filesOf(folder.path)).toEqual([]);
    await another.close();
  });

  it.each([60_000, 5 * MiB])('tells a file of %i bytes that was cut short as truncated', async size => {
    const key = newStorageKey();
    await upload(storage, key, bytesOf(size), MiB);
    await truncate(objectPath(folder.path, key), size - 10);
    await expect(readAll(storage, key, { start: 0, end: size - 1 })).rejects.toBeInstanceOf(TruncatedObject);
    await storage.delete(key);
  });

  it('does not write below a root that is gone, and says that it is not available', async () => {
    const checked = new CheckedBlobStorage(storage);
    await rename(folder.path, `${folder.path}-away`);
    await expect(upload(checked, newStorageKey(), bytesOf(10), 10)).rejects.toBeInstanceOf(DependencyUnavailable);
    await expect(upload(checked, newStorageKey(), bytesOf(5 * MiB), MiB)).rejects.toBeInstanceOf(DependencyUnavailable);
    await expect(checked.check()).rejects.toBeInstanceOf(DependencyUnavailable);
    await rename(`${folder.path}-away`, folder.path);
    await checked.check();
    await upload(checked, newStorageKey(), bytesOf(10), 10);
  });
});

describe('a killed writer', () => {
  it('loses nothing that was acknowledged, at whatever moment kill -9 comes', async () => {
    const folder = await temporaryFolder('fs');
    const acknowledged: string[] = [];
    for (let round = 0; round < 5; round++) {
      const child = new RunningChild({ command: process.execPath, arguments: [fileURLToPath(new URL('../testing/crash-child.js', import.meta.url)), folder.path] });
      await child.waitUntil(async () => child.output.includes('\n'));
      await delay(100 + Math.random() * 300);
      await child.stop('SIGKILL');
      acknowledged.push(...child.output.split('\n').slice(0, -1));
    }
    const storage = await FilesystemBlobStorage.open({ root: folder.path });
    expect(acknowledged.length).toBeGreaterThan(20);
    for (const line of acknowledged) {
      const [key = '', digest, size] = line.split(' ');
      const bytes = await readAll(storage, parseStorageKey(key));
      expect(`${createHash('sha256').update(bytes).digest('hex')} ${bytes.length}`).toBe(`${digest} ${size}`);
    }
    await storage.close();
    await folder.remove();
  }, 60_000);
});

describe('the root', () => {
  it('is refused in plain words where it cannot be made', async () => {
    const folder = await temporaryFolder('fs');
    await writeFile(join(folder.path, 'file'), '');
    await symlink(join(folder.path, 'nowhere'), join(folder.path, 'link'));
    const refusals: [string, RegExp][] = [
      [join(folder.path, 'file'), /^The storage directory .*\/file cannot be used: it, or what stands above it, is a file; .*WAYBILL_STORAGE_ROOT\.$/],
      [join(folder.path, 'link', 'below'), /^The storage directory .*\/link\/below cannot be used: .*\/link is a link to .*\/nowhere, which is not there\. /],
      [join(folder.path, 'n'.repeat(300)), /^The storage directory .*… cannot be used: its path, or a name in it, is longer than the file system takes\. /],
    ];
    for (const [root, message] of refusals) await expect(FilesystemBlobStorage.open({ root })).rejects.toThrow(message);
    await folder.remove();
  });
});

describe('a full disk', () => {
  if (!mayMount()) {
    it.skip('needs a small file system', () => undefined);
    return;
  }
  let disk: SmallDisk;
  let storage: FilesystemBlobStorage;
  beforeEach(async () => {
    disk = mountSmallDisk('size=16m');
    storage = await FilesystemBlobStorage.open({ root: disk.path, directFrom: MiB });
  });
  afterEach(async () => {
    try {
      await storage.close();
    } finally {
      disk.remove();
    }
  });

  it('refuses the upload that does not fit, keeps nothing of it, and loses nothing that was committed', async () => {
    const [kept, bytes] = [newStorageKey(), bytesOf(6 * MiB)];
    await upload(storage, kept, bytes, 65_536);
    await storage.persist(kept);
    const writer = storage.create(newStorageKey());
    const filling = async (): Promise<void> => {
      for (let i = 0; i < 400; i++) await writer.write(bytesOf(65_536));
      await writer.commit();
    };
    await expect(filling()).rejects.toBeInstanceOf(StorageFull);
    await expect(Promise.resolve(writer.write(bytesOf(1)))).rejects.toBeInstanceOf(StorageFull);
    await writer.cancel();
    expect(await filesOf(disk.path)).toEqual([kept]);
    expect((await readAll(storage, kept)).equals(bytes)).toBe(true);
    await upload(storage, newStorageKey(), bytesOf(6 * MiB), 65_536);
  });

  it.each([60_000, 300_000])('refuses an upload of %i bytes whose last write fits in part only', async size => {
    const filler = join(disk.path, 'filler');
    await upload(storage, newStorageKey(), bytesOf(1), 1);
    disk.fill();
    await truncate(filler, (await stat(filler)).size - size / 2);
    const before = await filesOf(disk.path);
    await expect(upload(storage, newStorageKey(), bytesOf(size), 50_000)).rejects.toBeInstanceOf(StorageFull);
    expect(await filesOf(disk.path)).toEqual(before);
  });

  it('says so to a small upload and to the check, by the wrapper too', async () => {
    const filler = newStorageKey();
    const checked = new CheckedBlobStorage(storage);
    await upload(storage, filler, Buffer.alloc(1000), 1000);
    disk.fill();
    await expect(upload(checked, newStorageKey(), bytesOf(60_000), 10_000)).rejects.toBeInstanceOf(StorageFull);
    await expect(checked.check()).rejects.toBeInstanceOf(StorageFull);
    expect((await filesOf(disk.path)).sort()).toEqual([filler, 'filler'].sort());
    expect((await readAll(storage, filler)).length).toBe(1000);
    expect((await stat(join(disk.path, 'filler'))).size).toBeGreaterThan(15 * MiB);
    expect(readdirSync(disk.path).filter(name => name.startsWith('.probe'))).toEqual([]);
  });
});
