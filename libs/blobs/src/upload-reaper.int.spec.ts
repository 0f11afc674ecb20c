import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { newStorageKey } from '@waybill/blob-storage';
import type { StorageKey } from '@waybill/blob-storage';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { UploadReaper } from './upload-reaper.js';

describe('the reaper', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  let folder: TemporaryFolder;
  let storage: FilesystemBlobStorage;
  let told: unknown[];
  let reaper: UploadReaper;

  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.close());
  beforeEach(async () => {
    await db.database.sql('DELETE FROM reg.object');
    folder = await temporaryFolder('reaper');
    storage = await FilesystemBlobStorage.open({ root: folder.path });
    told = [];
    reaper = new UploadReaper(db.database, storage, 60, (error) => told.push(error));
  });
  afterEach(async () => {
    await storage.close();
    await folder.remove();
  });

  /** Objects that are due, the first one longest. */
  const due = async (count: number): Promise<StorageKey[]> => {
    const keys = Array.from({ length: count }, newStorageKey);
    await db.database.sql("INSERT INTO reg.object (storage_key, due_at) SELECT key, clock_timestamp() - interval '1 day' + n * interval '1 second' FROM unnest($1::uuid[]) WITH ORDINALITY AS k (key, n)", [keys]);
    return keys;
  };
  const left = async (): Promise<string[]> => (await db.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.object ORDER BY due_at')).map(({ key }) => key);
  /** A folder in the place of a file: it cannot be deleted as one. */
  const block = (key: StorageKey): string => {
    const path = join(folder.path, key.slice(0, 6), key);
    mkdirSync(path, { recursive: true });
    return path;
  };

  it('goes on behind an object that cannot be deleted, tells of it, and deletes it when it can', async () => {
    const keys = await due(250);
    const [first, , third] = keys;
    if (first === undefined || third === undefined) throw new Error('there are no keys');
    const blocks = [block(first), block(third)];
    await reaper.pass();
    expect(await left()).toEqual([first, third]);
    expect(told.map(String)).toEqual([first, third].map((key) => `Error: the object ${key}, which nothing uses, could not be deleted; it is tried again in 600 s`));
    const [later] = await due(1);
    expect(later).toBeDefined();
    for (const path of blocks) rmdirSync(path);
    await reaper.pass();
    // left alone for now, and the rest of the work is done
    expect(await left()).toEqual([first, third]);
    for (let pass = 0; pass < 9; pass += 1) await reaper.pass();
    expect([await left(), told.length]).toEqual([[], 2]);
  });

  it('asks a storage that fails for few of them, and for others the next time', async () => {
    const keys = await due(120);
    keys.forEach(block);
    await reaper.pass();
    expect(told).toHaveLength(10);
    await reaper.pass();
    expect(new Set(told.map(String)).size).toBe(20);
  });
});
