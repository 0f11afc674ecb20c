import { parseArgs } from 'node:util';
import { copyBlobs } from '@waybill/blobs';
import { PgDatabase } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { findDatabase } from './found-database.js';
import { openStorage } from './open-storage.js';

/**
 * `--to <folder>`: copies the bytes of every blob into a folder, for a backup, after the dump of the database. `--from <folder>`: brings back what the
 * storage lacks of the blobs of the database. Both go on where they were ended, and take for there what has its size; with `--verify` they read that too,
 * and copy anew what has not its digest. 0 = all are there, 1 = some could not be copied.
 */
export async function copyBlobsCommand(config: Config, words: readonly string[]): Promise<number> {
  const { from, to, verify = false } = parseArgs({ args: [...words], options: { from: { type: 'string' }, to: { type: 'string' }, verify: { type: 'boolean' } } }).values;
  const root = from ?? to;
  if (root === undefined || root === '' || (from !== undefined && to !== undefined)) throw new Error('Expected --to <folder>, to copy the blobs there, or --from <folder>, to bring them back from there; with --verify, to read what is there already, too.');
  if (config.storage.driver === 'memory') throw new Error('storage.driver is memory: the blobs are in the memory of the registry, where nobody else can look. Expected filesystem or s3.');
  const { FilesystemBlobStorage } = await import('@waybill/blob-storage/filesystem');
  const server = await findDatabase(config);
  const database = new PgDatabase({ url: server.url, poolSize: 4 });
  const storage = await openStorage(config, () => undefined);
  const folder = await FilesystemBlobStorage.open({ root });
  try {
    if (from !== undefined) await makeBucket(config.storage);
    const report = (fault: string): void => void process.stdout.write(`${fault}\n`);
    const { blobs, copied, bytes, damaged, faults } = await copyBlobs(database, { ...(from === undefined ? { from: storage, to: folder } : { from: folder, to: storage }), verify, report });
    const anew = damaged === 0 ? '' : `, ${damaged} of them in the place of other bytes`;
    process.stdout.write(`Of ${blobs} blobs, ${blobs - copied - faults} were there and ${copied} were copied (${bytes} bytes)${anew}.${faults === 0 ? '' : ` ${faults} could not be copied.`}\n`);
    return faults === 0 ? 0 : 1;
  } finally {
    await Promise.all([storage.close(), folder.close()]);
    await database.close();
    await server.stop();
  }
}

/** What is restored may have lost its bucket too. */
async function makeBucket(storage: Config['storage']): Promise<void> {
  if (storage.driver !== 's3') return;
  const { ensureBucket } = await import('@waybill/blob-storage/s3');
  await ensureBucket({ ...storage, secretKey: storage.secretKey.reveal() });
}
