import { parseStorageKey } from '@waybill/blob-storage';
import type { StorageKey } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const BLOBS: Statement = {
  name: 'blobs-in-use',
  text: `SELECT blob_id, digest, size, storage_key FROM reg.blob WHERE blob_id > $1 AND state IN ('L', 'C') ORDER BY blob_id LIMIT $2`,
};
const STILL_USED: Statement = { name: 'blob-still-used', text: `SELECT 1 AS used FROM reg.blob WHERE blob_id = $1 AND state IN ('L', 'C')` };
const BATCH = 1000;

interface BlobRow {
  readonly blob_id: string;
  readonly digest: string;
  readonly size: string;
  readonly storage_key: string;
}

/** A blob that the database says can be pulled. */
export interface BlobInUse {
  readonly id: string;
  readonly digest: string;
  readonly size: number;
  readonly key: StorageKey;
}

/** Every blob that can be pulled, a thousand at a time: in memory there are no more. One that is pushed meanwhile may be among them, and one that is removed meanwhile too. */
export async function* blobsInUse(database: Database): AsyncGenerator<BlobInUse, void, void> {
  for (let after = '0', found = BATCH; found === BATCH; ) {
    const rows = await database.sql<BlobRow>(BLOBS, [after, BATCH]);
    found = rows.length;
    after = rows.at(-1)?.blob_id ?? after;
    for (const row of rows) yield { id: row.blob_id, digest: row.digest, size: Number(row.size), key: parseStorageKey(row.storage_key) };
  }
}

/** Does the work for every blob in use, for so many at a time. Rejects with the first rejection of the work; no further blob is begun then. */
export async function forBlobsInUse(database: Database, atOnce: number, work: (blob: BlobInUse) => Promise<void>): Promise<void> {
  // the generator is shared: each of the workers takes the next blob, and one that fails ends it for the others
  const blobs = blobsInUse(database);
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for await (const blob of blobs) await work(blob);
  }));
}

/** Whether it still can be pulled: what is asked before its object is called missing. */
export async function isStillUsed(database: Database, { id }: BlobInUse): Promise<boolean> {
  return (await database.sql(STILL_USED, [id])).length > 0;
}
