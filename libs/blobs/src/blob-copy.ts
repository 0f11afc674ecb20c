import { createHash } from 'node:crypto';
import { parseStorageKey } from '@waybill/blob-storage';
import type { BlobStorage, StorageKey } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const BLOBS: Statement = {
  name: 'blob-copy',
  text: `SELECT blob_id, digest, size, storage_key FROM reg.blob WHERE blob_id > $1 AND state IN ('L', 'C') ORDER BY blob_id LIMIT $2`,
};
const STILL_USED: Statement = { name: 'blob-copy-used', text: `SELECT 1 AS used FROM reg.blob WHERE blob_id = $1 AND state IN ('L', 'C')` };
const BATCH = 1000;
/** Objects on their way at a time. */
const AT_ONCE = 4;

interface BlobRow {
  readonly blob_id: string;
  readonly digest: string;
  readonly size: string;
  readonly storage_key: string;
}

export interface BlobCopy {
  readonly blobs: number;
  /** Those that were not there yet, and their bytes. */
  readonly copied: number;
  readonly bytes: number;
  readonly faults: number;
}

/**
 * Copies the object of every blob in use from one storage to another, under the same key; those that are there with their size stay as they are. Each is
 * held against its digest on the way, and one that does not have it, or cannot be read, is not written. Changes nothing where it copies from, and may run
 * beside the registry. Rejects where a storage does not say what it has or takes nothing, or the database does not answer; the next run goes on.
 * @param report told of each blob that could not be copied, for a person
 */
export async function copyBlobs(database: Database, from: BlobStorage, to: BlobStorage, report: (fault: string) => void): Promise<BlobCopy> {
  const total = { blobs: 0, copied: 0, bytes: 0, faults: 0 };
  for (let after = '0', found = BATCH; found === BATCH; ) {
    const rows = await database.sql<BlobRow>(BLOBS, [after, BATCH]);
    found = rows.length;
    after = rows.at(-1)?.blob_id ?? after;
    const rest = rows.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      // the iterator is shared: each of the copiers takes the next row
      for (const row of rest) {
        const [key, size] = [parseStorageKey(row.storage_key), Number(row.size)];
        total.blobs++;
        const there = await to.stat(key);
        if (there === size) continue;
        const fault = (await from.stat(key)) === size ? await copy(row.digest, key, from, to, there !== undefined) : `is missing where it is copied from, or has not its ${size} bytes`;
        if (fault === undefined) {
          total.copied++;
          total.bytes += size;
        } else if ((await database.sql(STILL_USED, [row.blob_id])).length > 0) {
          total.faults++;
          report(`${row.digest}: its object ${key} ${fault}`);
        }
      }
    }));
  }
  return total;
}

/** @param replace what an earlier copy that was ended left under the key */
async function copy(digest: string, key: StorageKey, from: BlobStorage, to: BlobStorage, replace: boolean): Promise<string | undefined> {
  if (replace) await to.delete(key);
  const [algorithm = '', expected] = digest.split(':');
  const hash = createHash(algorithm);
  const writer = to.create(key);
  let reading = true;
  try {
    await from.read(key, undefined, async (bytes) => {
      hash.update(bytes);
      reading = false;
      // the reader may use its memory again
      await writer.write(Buffer.from(bytes));
      reading = true;
    });
    reading = false;
    const found = hash.digest('hex');
    if (found !== expected) {
      await writer.cancel();
      return `has the digest ${algorithm}:${found}`;
    }
    await writer.commit();
    await to.persist(key);
    return undefined;
  } catch (error) {
    await writer.cancel().catch(() => undefined);
    // one object on a bad part of a disk must not keep all those behind it from being copied
    if (reading) return `cannot be read: ${String(error)}`;
    throw error;
  }
}
