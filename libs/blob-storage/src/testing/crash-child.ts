import type { StorageKey } from '../blob-storage.js';
import { FilesystemBlobStorage } from '../filesystem/filesystem-blob-storage.js';
import { newStorageKey } from '../storage-key.js';
import { bytesOf } from './transfers.js';
import { createHash } from 'node:crypto';

/*
 * Started by the int spec of the filesystem adapter and killed by it at a random moment. Four loops write objects of many sizes, half of
 * them small, under keys that were prepared, are being prepared or were not; a line `<key> <sha256> <size>` on the standard output
 * acknowledges an object that was committed and persisted.
 */
const root = process.argv[2];
if (root === undefined) throw new Error('usage: crash-child <root>');
const storage = await FilesystemBlobStorage.open({ root, directFrom: 1 });

const keys: StorageKey[] = [];

function nextKey(): StorageKey {
  if (keys.length < 8) {
    const more = Array.from({ length: 32 }, newStorageKey);
    keys.push(...more);
    void storage.prepare(more.slice(0, 24));
  }
  return keys.shift() ?? newStorageKey();
}

async function writeForEver(seed: number): Promise<never> {
  for (let round = seed; ; round++) {
    const bytes = bytesOf((round * 7919) % (round % 2 === 0 ? 60_000 : 3_000_000));
    const key = nextKey();
    const writer = storage.create(key);
    for (let offset = 0; offset < bytes.length; offset += 65_536) await writer.write(bytes.subarray(offset, offset + 65_536));
    await writer.commit();
    await storage.persist(key);
    process.stdout.write(`${key} ${createHash('sha256').update(bytes).digest('hex')} ${bytes.length}\n`);
  }
}

await Promise.all([0, 100, 200, 300].map(writeForEver));
