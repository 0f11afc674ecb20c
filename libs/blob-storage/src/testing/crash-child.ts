import { FilesystemBlobStorage } from '../filesystem/filesystem-blob-storage.js';
import { newStorageKey } from '../storage-key.js';
import { bytesOf } from './transfers.js';
import { createHash } from 'node:crypto';

/*
 * Started by the int spec of the filesystem adapter and killed by it at a random moment. Four loops write objects of many sizes; a line
 * `<key> <sha256> <size>` on the standard output acknowledges an object that was committed and persisted.
 */
const root = process.argv[2];
if (root === undefined) throw new Error('usage: crash-child <root>');
const storage = await FilesystemBlobStorage.open({ root });

async function writeForEver(seed: number): Promise<never> {
  for (let round = seed; ; round++) {
    const bytes = bytesOf((round * 7919) % 3_000_000);
    const key = newStorageKey();
    const writer = storage.create(key);
    for (let offset = 0; offset < bytes.length; offset += 65_536) await writer.write(bytes.subarray(offset, offset + 65_536));
    await writer.commit();
    await storage.persist(key);
    process.stdout.write(`${key} ${createHash('sha256').update(bytes).digest('hex')} ${bytes.length}\n`);
  }
}

await Promise.all([0, 100, 200, 300].map(writeForEver));
