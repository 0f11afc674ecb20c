import { createHash } from 'node:crypto';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newStorageKey } from '@waybill/blob-storage';
import type { BlobStorage, StorageKey } from '@waybill/blob-storage';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { MemoryBlobStorage } from '@waybill/blob-storage/memory';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { copyBlobs } from './blob-copy.js';

const bytesOf = (n: number): Buffer => Buffer.alloc(1000 + n, String(n));

async function write(storage: BlobStorage, key: StorageKey, bytes: Buffer): Promise<void> {
  const writer = storage.create(key);
  await writer.write(bytes);
  await writer.commit();
}

async function read(storage: BlobStorage, key: StorageKey): Promise<string> {
  const chunks: Buffer[] = [];
  await storage.read(key, undefined, async (bytes) => void chunks.push(Buffer.from(bytes)));
  return Buffer.concat(chunks).toString();
}

describe('a copy of the blobs', () => {
  let test: TestDatabase;
  let folder: TemporaryFolder;
  let from: BlobStorage;
  let to: BlobStorage;
  let keys: StorageKey[];
  let faults: string[];
  const report = (fault: string): void => void faults.push(fault);
  const copy = (a = from, b = to) => copyBlobs(test.database, { from: a, to: b, report });
  const verify = () => copyBlobs(test.database, { from, to, report, verify: true });
  /** Other bytes, and as many, as a disk that forgets gives them back. */
  const damage = async (storage: BlobStorage, n: number): Promise<StorageKey> => {
    const key = keys[n] ?? newStorageKey();
    await storage.delete(key);
    await write(storage, key, Buffer.alloc(1000 + n, 'x'));
    return key;
  };

  beforeEach(async () => {
    [test, folder] = await Promise.all([testDatabase(), temporaryFolder('blob-copy')]);
    [from, to] = [new MemoryBlobStorage(), await FilesystemBlobStorage.open({ root: folder.path })];
    [keys, faults] = [Array.from({ length: 20 }, newStorageKey), []];
    const digests = keys.map((_, n) => `sha256:${createHash('sha256').update(bytesOf(n)).digest('hex')}`);
    await test.database.sql(
      `INSERT INTO reg.blob (digest, generation, size, storage_key, state) SELECT d, 1, 999 + n, k, CASE n WHEN 20 THEN 'S' ELSE 'L' END::"char" FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY x(k, d, n)`, [keys, digests]);
    for (const [n, key] of keys.entries()) await write(from, key, bytesOf(n));
  });
  afterEach(async () => {
    await to.close();
    await Promise.all([test.close(), folder.remove()]);
  });

  it('has every blob in use byte for byte, and the next one copies only what is new', async () => {
    expect(await copy()).toEqual({ blobs: 19, copied: 19, bytes: 19_171, damaged: 0, faults: 0 });
    for (const [n, key] of keys.slice(0, 19).entries()) expect(await read(to, key)).toBe(bytesOf(n).toString());
    expect(await copy()).toMatchObject({ blobs: 19, copied: 0 });
    const empty = new MemoryBlobStorage();
    expect(await copy(to, empty)).toMatchObject({ copied: 19, faults: 0 });
  });

  it('writes anew what an earlier one left unfinished', async () => {
    await write(to, keys[3] ?? newStorageKey(), Buffer.from('half'));
    expect(await copy()).toMatchObject({ copied: 19, damaged: 1, faults: 0 });
    expect(await read(to, keys[3] ?? newStorageKey())).toBe(bytesOf(3).toString());
  });

  it('takes no object with other bytes than its digest says, names it, and copies the rest', async () => {
    const [broken, gone] = [keys[5] ?? newStorageKey(), keys[7] ?? newStorageKey()];
    await damage(from, 5);
    await from.delete(gone);
    expect(await copy()).toMatchObject({ blobs: 19, copied: 17, faults: 2 });
    expect(faults.toSorted()).toEqual([expect.stringMatching(`object ${broken} has the digest sha256:`), expect.stringMatching(`object ${gone} is missing where it is copied from`)].toSorted());
    expect([await to.stat(broken), await to.stat(gone)]).toEqual([undefined, undefined]);
  });

  it('that verifies finds damage behind the right size, mends it, and reads nothing of where it is copied from otherwise', async () => {
    await copy();
    const key = await damage(to, 3);
    expect(await copy()).toMatchObject({ copied: 0, damaged: 0, faults: 0 });
    const reads: StorageKey[] = [];
    const readAsEver = from.read.bind(from);
    from.read = (one, range, sink) => {
      reads.push(one);
      return readAsEver(one, range, sink);
    };
    expect(await verify()).toEqual({ blobs: 19, copied: 1, bytes: 1003, damaged: 1, faults: 0 });
    expect([await read(to, key), new Set(reads)]).toEqual([bytesOf(3).toString(), new Set([key])]);
    expect(await verify()).toMatchObject({ copied: 0, damaged: 0, faults: 0 });
  });

  it('gives up nothing for an object that has not the digest either', async () => {
    await copy();
    const key = await damage(to, 3);
    await from.delete(key);
    await write(from, key, Buffer.alloc(1003, 'y'));
    expect(await verify()).toMatchObject({ copied: 0, faults: 1 });
    expect([faults, await read(to, key)]).toEqual([[expect.stringMatching(`object ${key} has the digest sha256:`)], 'x'.repeat(1003)]);
  });

  it('names an object that cannot be read, and copies those behind it', async () => {
    await copy();
    const [unreadable = newStorageKey()] = keys;
    const path = join(folder.path, unreadable.slice(0, 6), unreadable);
    // it opens and has a size, as a file on a bad part of a disk, and every read of it fails
    await rm(path);
    await mkdir(path);
    await test.database.sql('UPDATE reg.blob SET size = $2 WHERE storage_key = $1', [unreadable, (await stat(path)).size]);
    const other = new MemoryBlobStorage();
    expect(await copy(to, other)).toMatchObject({ blobs: 19, copied: 18, faults: 1 });
    expect(faults).toEqual([expect.stringMatching(`object ${unreadable} cannot be read: Error: EISDIR`)]);
    expect(await other.stat(unreadable)).toBeUndefined();
  });
});
