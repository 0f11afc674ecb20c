import type { BlobStorage } from '@waybill/blob-storage';
import { checkBlobs } from '@waybill/blobs';
import type { BlobFault } from '@waybill/blobs';
import { PgDatabase } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { findDatabase } from './found-database.js';
import { openStorage } from './open-storage.js';

/** Whether the object of every blob is in the storage with its size. Changes nothing, and may run beside the registry. 0 = all are, 1 = some are not. */
export async function checkBlobsCommand(config: Config): Promise<number> {
  if (config.storage.driver === 'memory') throw new Error('storage.driver is memory: the blobs are in the memory of the registry, where nobody else can look. Expected filesystem or s3.');
  const server = await findDatabase(config);
  const database = new PgDatabase({ url: server.url, poolSize: 4 });
  let storage: BlobStorage | undefined;
  try {
    storage = await openStorage(config, () => undefined);
    const { blobs, bytes, faults } = await checkBlobs(database, storage, (fault) => process.stdout.write(`${describe(fault)}\n`));
    process.stdout.write(faults === 0
      ? `The objects of all ${blobs} blobs are there with their sizes (${bytes} bytes).\n`
      : `Of ${blobs} blobs, ${faults} cannot be pulled. Put their objects back under these keys, from the copy or the versions of the bucket: a push does not bring them back.\n`);
    return faults === 0 ? 0 : 1;
  } finally {
    await storage?.close();
    await database.close();
    await server.stop();
  }
}

function describe({ digest, storageKey, size, found, holders }: BlobFault): string {
  const places = holders.map(({ repository, tags }) => (tags.length === 0 ? repository : tags.map((tag) => `${repository}:${tag}`).join(', ')));
  const what = found === undefined ? 'is missing' : `has ${found} bytes`;
  return `${digest}: its object ${storageKey} ${what}, expected ${size} bytes; in ${places.length === 0 ? 'no repository' : places.join(', ')}`;
}
