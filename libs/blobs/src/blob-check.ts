import type { BlobStorage } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';
import { forBlobsInUse, isStillUsed } from './blobs-in-use.js';
import type { BlobInUse } from './blobs-in-use.js';

const HOLDERS: Statement = {
  name: 'blob-check-holders',
  text: `SELECT r.name AS repository, ARRAY(SELECT DISTINCT t.name FROM reg.ref f JOIN reg.tag t ON t.repo_id = f.repo_id AND t.manifest_id = f.manifest_id
      WHERE f.blob_id = $1 AND f.repo_id = l.repo_id ORDER BY t.name) AS tags
    FROM reg.blob_link l JOIN reg.repo r ON r.repo_id = l.repo_id WHERE l.blob_id = $1 ORDER BY r.name LIMIT $2`,
};
/** Questions to the storage at a time. */
const AT_ONCE = 16;
/** Repositories that a fault names. */
const NAMED = 10;

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
  await forBlobsInUse(database, AT_ONCE, async (blob) => {
    total.blobs++;
    total.bytes += blob.size;
    const fault = await faultOf(database, storage, blob);
    if (fault === undefined) return;
    total.faults++;
    report(fault);
  });
  return total;
}

async function faultOf(database: Database, storage: BlobStorage, blob: BlobInUse): Promise<BlobFault | undefined> {
  const { id, digest, size, key } = blob;
  const found = await storage.stat(key);
  if (found === size || !(await isStillUsed(database, blob))) return undefined;
  const holders = await database.sql<BlobFault['holders'][number]>(HOLDERS, [id, NAMED]);
  return { digest, storageKey: key, size, found, holders };
}
