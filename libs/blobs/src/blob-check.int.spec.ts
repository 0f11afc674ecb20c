import { newStorageKey } from '@waybill/blob-storage';
import type { BlobStorage, StorageKey } from '@waybill/blob-storage';
import { MemoryBlobStorage } from '@waybill/blob-storage/memory';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { checkBlobs } from './blob-check.js';
import type { BlobFault } from './blob-check.js';

async function write(storage: BlobStorage, key: StorageKey, bytes: number): Promise<void> {
  const writer = storage.create(key);
  await writer.write(Buffer.alloc(bytes));
  await writer.commit();
}

describe('the check of the blobs', () => {
  let test: TestDatabase;
  let storage: MemoryBlobStorage;
  beforeEach(async () => {
    test = await testDatabase();
    storage = new MemoryBlobStorage();
  });
  afterEach(() => test.close());

  const insert = (keys: readonly StorageKey[], state = 'L') => test.database.sql(
    `INSERT INTO reg.blob (digest, generation, size, storage_key, state) SELECT 'sha256:' || lpad(to_hex(n), 64, '0'), 1, 7, k, $2::"char" FROM unnest($1::uuid[]) WITH ORDINALITY x(k, n)`, [keys, state]);
  const check = async () => {
    const faults: BlobFault[] = [];
    return { ...(await checkBlobs(test.database, storage, (fault) => faults.push(fault))), faults };
  };

  it('finds every object that is missing, short or long among more blobs than it reads at a time', async () => {
    const keys = Array.from({ length: 2500 }, newStorageKey);
    await insert(keys);
    const sizes = new Map([[3, 6], [1000, 8], [2499, undefined]]);
    for (const [n, key] of keys.entries()) {
      const size = sizes.has(n) ? sizes.get(n) : 7;
      if (size !== undefined) await write(storage, key, size);
    }
    const { blobs, bytes, faults } = await check();
    expect({ blobs, bytes }).toEqual({ blobs: 2500, bytes: 17_500 });
    expect(faults.map(({ storageKey, size, found }) => [keys.findIndex((key) => key === storageKey), size, found]).toSorted()).toEqual([[1000, 7, 8], [2499, 7, undefined], [3, 7, 6]]);
  });

  it('does not ask for a generation that is being removed', async () => {
    await insert([newStorageKey()], 'S');
    expect(await check()).toMatchObject({ blobs: 0, faults: [] });
  });

  it('does not report a blob that was removed while it looked', async () => {
    const keys = Array.from({ length: 3 }, newStorageKey);
    await insert(keys);
    const stat = storage.stat.bind(storage);
    storage.stat = async (key) => {
      await test.database.sql(`UPDATE reg.blob SET state = 'S'`);
      return stat(key);
    };
    expect(await check()).toMatchObject({ blobs: 3, faults: [] });
  });

  it('rejects where the storage does not answer, and calls nothing missing', async () => {
    await insert([newStorageKey()]);
    storage.stat = () => Promise.reject(new Error('no answer'));
    await expect(check()).rejects.toThrow('no answer');
  });
});
