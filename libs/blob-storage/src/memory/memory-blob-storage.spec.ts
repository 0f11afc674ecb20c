import { StorageFull } from '@waybill/oci';
import type { BlobStorage } from '../blob-storage.js';
import { CheckedBlobStorage } from '../checked-blob-storage.js';
import { newStorageKey } from '../storage-key.js';
import { describeBlobStorage } from '../testing/blob-storage.contract.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import { MemoryBlobStorage } from './memory-blob-storage.js';

const supports = { sharing: false, refusesUsedKeys: true, presign: false, checks: false };
const underTest = (memory: MemoryBlobStorage, storage: BlobStorage) => ({ storage, list: async () => memory.list(), close: () => storage.close() });

describeBlobStorage({
  name: 'memory',
  supports,
  create: async () => {
    const memory = new MemoryBlobStorage();
    return underTest(memory, memory);
  },
});

describeBlobStorage({
  name: 'memory, checked',
  supports: { ...supports, checks: true },
  create: async () => {
    const memory = new MemoryBlobStorage();
    return underTest(memory, new CheckedBlobStorage(memory));
  },
});

describe('a memory of limited capacity', () => {
  it('refuses the byte that does not fit, keeps what was committed, and has room again after a cancel', async () => {
    const storage = new MemoryBlobStorage({ capacity: 1000 });
    const [kept, bytes] = [newStorageKey(), bytesOf(600)];
    await upload(storage, kept, bytes, 100);
    const writer = storage.create(newStorageKey());
    await writer.write(bytesOf(400));
    await expect(storage.check()).rejects.toBeInstanceOf(StorageFull);
    await expect(Promise.resolve(writer.write(bytesOf(1)))).rejects.toBeInstanceOf(StorageFull);
    await writer.cancel();
    await storage.check();
    await upload(storage, newStorageKey(), bytesOf(400), 100);
    expect((await readAll(storage, kept)).equals(bytes)).toBe(true);
  });
});
