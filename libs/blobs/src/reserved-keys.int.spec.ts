import { readdirSync } from 'node:fs';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { jest } from '@jest/globals';
import type { StorageKey } from '@waybill/blob-storage';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { MemoryBlobStorage } from '@waybill/blob-storage/memory';
import { PgDatabase } from '@waybill/platform';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { ReservedKeys } from './reserved-keys.js';
import { UploadReaper } from './upload-reaper.js';

describe('reserved keys', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  let folder: TemporaryFolder;
  let storage: FilesystemBlobStorage;

  beforeAll(async () => {
    db = await testDatabase();
  });
  afterAll(() => db.close());
  beforeEach(async () => {
    await db.database.sql('DELETE FROM reg.object');
    folder = await temporaryFolder('reserved');
    storage = await FilesystemBlobStorage.open({ root: folder.path });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await storage.close();
    await folder.remove();
  });

  const files = () => readdirSync(folder.path, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => entry.name).sort();
  const intents = async () => (await db.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.object')).map(({ key }) => key).sort();
  const write = async (key: StorageKey) => {
    const writer = storage.create(key);
    await writer.write(Buffer.from('bytes'));
    await writer.commit();
    await storage.persist(key);
  };

  it('are given out once each, oldest first, every one with an intent', async () => {
    const reserved = new ReservedKeys(db.database, storage);
    const keys: StorageKey[] = [];
    for (let i = 0; i < 200; i++) keys.push(await reserved.take());
    await Promise.all(keys.map(write));
    expect(keys).toEqual([...new Set(keys)].sort());
    const known = await intents();
    expect(known).toEqual(expect.arrayContaining(keys));
    expect(known).toEqual(expect.arrayContaining(files()));
  });

  it('have intents that survive a crash of the database before anything is prepared', async () => {
    const url = new URL(db.url);
    url.searchParams.set('options', '-c synchronous_commit=on');                       // which the server of the specs is spared
    const database = new PgDatabase({ url: url.href });
    const found: boolean[] = [];
    class AskingStorage extends MemoryBlobStorage {
      override async prepare(): Promise<void> {
        const [row] = await database.sql<{ flushed: boolean }>('SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn() AS flushed');
        found.push(row?.flushed ?? false);
      }
    }
    for (let i = 0; i < 21; i++) await new ReservedKeys(database, new AskingStorage()).take();
    while (found.length < 21) await setImmediate();
    await database.close();
    // other specs write to the same log meanwhile
    expect(found.filter(Boolean).length).toBeGreaterThan(10);
  });

  it('come with files that the reaper of another process removes when this one dies', async () => {
    await write(await new ReservedKeys(db.database, storage).take());
    while (files().length < 64) await setImmediate();
    const [written] = await db.database.sql<{ key: string }>('SELECT min(storage_key::text) AS key FROM reg.object');
    await db.database.sql('DELETE FROM reg.object WHERE storage_key = $1', [written?.key]);
    await db.database.sql('UPDATE reg.object SET due_at = clock_timestamp()');
    const another = await FilesystemBlobStorage.open({ root: folder.path });
    await new UploadReaper(db.database, another, 3600, (error) => { throw error; }).pass();
    await another.close();
    expect(files()).toEqual([written?.key]);
    expect(await intents()).toEqual([]);
  });

  it('are not used, and their files not kept, when they are half as old as the reaper lets them become', async () => {
    const reserved = new ReservedKeys(db.database, storage);
    const first = await reserved.take();
    while (files().length < 63) await setImmediate();
    const old = files();
    const now = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => now + 12 * 3_600_000 + 1000);
    const later = await reserved.take();
    expect([first, ...old]).not.toContain(later);
    await write(later);
    for (let tries = 0; tries < 500 && files().some((file) => old.includes(file) && file !== first); tries++) await sleep(10);
    expect(files().filter((file) => old.includes(file) && file !== first)).toEqual([]);
  });
});
