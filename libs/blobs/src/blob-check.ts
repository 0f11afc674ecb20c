import { parseStorageKey } from '@waybill/blob-storage';
import type { BlobStorage } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const BLOBS: Statement = {
  name: 'blob-check',
  text: `SELECT blob_id, digest, size, storage_key FROM reg.blob WHERE blob_id > $1 AND state IN ('L', 'C') ORDER BY blob_id LIMIT $2`,
};
const STILL_USED: Statement = { name: 'blob-check-used', text: `SELECT 1 AS used FROM reg.blob WHERE blob_id = $1 AND state IN ('L', 'C')` };
const HOLDERS: Statement = {
  name: 'blob-check-holders',
  text: `SELECT r.name AS repository, ARRAY(SELECT DISTINCT t.name FROM reg.ref f JOIN reg.tag t ON t.repo_id = f.repo_id AND t.manifest_id = f.manifest_id
      WHERE f.blob_id = $1 AND f.repo_id = l.repo_id ORDER BY t.name) AS tags
    FROM reg.blob_link l JOIN reg.repo r ON r.repo_id = l.repo_id WHERE l.blob_id = $1 ORDER BY r.name LIMIT $2`,
};
const BATCH = 1000;
/** Questions to the storage at a time. */
const AT_ONCE = 16;
/** Repositories that a fault names. */
const NAMED = 10;

interface BlobRow {
  readonly blob_id: string;
  readonly digest: string;
  readonly size: string;
  readonly storage_key: string;
}

/** A blob that the database says can be pulled, and whose object says otherwise. */
export interface BlobFault {
  readonly digest: string;
  readonly storageKey: string;
  /** Bytes that the blob has, and that its object has; undefined: there is no object. */
  readonly size: number;
  readonly found: number | undefined;
  /** The first ten repositories that have the blob, with the tags that stand on a manifest that names it. */
  readonly holders: readonly { readonly repository: string; readonly tags: readonly string[] }[];
}

export interface BlobCheck {
  readonly blobs: number;
  readonly bytes: number;
  readonly faults: number;
}

/**
 * Asks the storage for the size of the object of every blob in use. It reads no bytes and changes nothing; what is pushed or removed meanwhile is no
 * fault. Rejects where the storage or the database does not answer. @param report told of each fault as it is found
 */
export async function checkBlobs(database: Database, storage: BlobStorage, report: (fault: BlobFault) => void): Promise<BlobCheck> {
  const total = { blobs: 0, bytes: 0, faults: 0 };
  for (let after = '0', found = BATCH; found === BATCH; ) {
    const rows = await database.sql<BlobRow>(BLOBS, [after, BATCH]);
    found = rows.length;
    after = rows.at(-1)?.blob_id ?? after;
    const rest = rows.values();
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      // the iterator is shared: each of the askers takes the next row
      for (const row of rest) {
        total.blobs++;
        total.bytes += Number(row.size);
        const fault = await faultOf(database, storage, row);
        if (fault === undefined) continue;
        total.faults++;
        report(fault);
      }
    }));
  }
  return total;
}

async function faultOf(database: Database, storage: BlobStorage, row: BlobRow): Promise<BlobFault | undefined> {
  const size = Number(row.size);
  const found = await storage.stat(parseStorageKey(row.storage_key));
  if (found === size) return undefined;
  if ((await database.sql(STILL_USED, [row.blob_id])).length === 0) return undefined;
  const holders = await database.sql<BlobFault['holders'][number]>(HOLDERS, [row.blob_id, NAMED]);
  return { digest: row.digest, storageKey: row.storage_key, size, found, holders };
}
