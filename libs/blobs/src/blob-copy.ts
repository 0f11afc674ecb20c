import { createHash } from 'node:crypto';
import type { BlobStorage } from '@waybill/blob-storage';
import type { Database } from '@waybill/platform';
import { forBlobsInUse, isStillUsed } from './blobs-in-use.js';
import type { BlobInUse } from './blobs-in-use.js';

/** Objects on their way at a time. */
const AT_ONCE = 4;

export interface BlobCopy {
  readonly blobs: number;
  /** Those that were not there yet, or not as they should be, and their bytes. */
  readonly copied: number;
  readonly bytes: number;
  /** Those of them that stood there with other bytes, and were copied anew. Only who verifies finds one with the right size. */
  readonly damaged: number;
  readonly faults: number;
}

export interface CopyOptions {
  readonly from: BlobStorage;
  readonly to: BlobStorage;
  /** Reads what is there, too, and holds it against its digest; without it, what has its size counts as there. */
  readonly verify?: boolean;
  /** Told of each blob that could not be copied, for a person. */
  readonly report: (fault: string) => void;
}

/**
 * Copies the object of every blob in use from one storage to another, under the same key; those that are there stay as they are. Each is held against its
 * digest on the way, and one that does not have it, or cannot be read, is not written; what stands in its place already is given up only for one that has. Changes
 * nothing where it copies from, and may run beside the registry. Rejects where a storage does not say what it has or takes nothing, or the database does not
 * answer; the next run goes on.
 */
export async function copyBlobs(database: Database, { from, to, verify = false, report }: CopyOptions): Promise<BlobCopy> {
  const total = { blobs: 0, copied: 0, bytes: 0, damaged: 0, faults: 0 };
  await forBlobsInUse(database, AT_ONCE, async (blob) => {
    total.blobs++;
    const there = await to.stat(blob.key);
    if (there === blob.size && (!verify || (await digestFault(to, blob)) === undefined)) return;
    const fault = await replace(blob, from, to, there !== undefined);
    if (fault === undefined) {
      total.copied++;
      total.bytes += blob.size;
      if (there !== undefined) total.damaged++;
    } else if (await isStillUsed(database, blob)) {
      total.faults++;
      report(`${blob.digest}: its object ${blob.key} ${fault}`);
    }
  });
  return total;
}

/** @param occupied something else stands under the key, such as what a copy that was ended left there */
async function replace(blob: BlobInUse, from: BlobStorage, to: BlobStorage, occupied: boolean): Promise<string | undefined> {
  if ((await from.stat(blob.key)) !== blob.size) return `is missing where it is copied from, or has not its ${blob.size} bytes`;
  if (occupied) {
    // damaged bytes may be all that there is of it
    const fault = await digestFault(from, blob);
    if (fault !== undefined) return fault;
    await to.delete(blob.key);
  }
  return copy(blob, from, to);
}

/** What is wrong with the bytes of an object; undefined: they have the digest. */
async function digestFault(storage: BlobStorage, { digest, key }: BlobInUse): Promise<string | undefined> {
  const held = new Held(digest);
  try {
    await storage.read(key, undefined, async (bytes) => held.take(bytes));
  } catch (error) {
    return unreadable(error);
  }
  return held.fault();
}

async function copy({ digest, key }: BlobInUse, from: BlobStorage, to: BlobStorage): Promise<string | undefined> {
  const held = new Held(digest);
  const writer = to.create(key);
  let reading = true;
  try {
    await from.read(key, undefined, async (bytes) => {
      held.take(bytes);
      reading = false;
      // the reader may use its memory again
      await writer.write(Buffer.from(bytes));
      reading = true;
    });
    reading = false;
    const fault = held.fault();
    if (fault !== undefined) {
      await writer.cancel();
      return fault;
    }
    await writer.commit();
    await to.persist(key);
    return undefined;
  } catch (error) {
    await writer.cancel().catch(() => undefined);
    // one object on a bad part of a disk must not keep all those behind it from being copied
    if (reading) return unreadable(error);
    throw error;
  }
}

/** Bytes, held against a digest. */
class Held {
  readonly #algorithm: string;
  readonly #expected: string | undefined;
  readonly #hash;

  constructor(digest: string) {
    [this.#algorithm = '', this.#expected] = digest.split(':');
    this.#hash = createHash(this.#algorithm);
  }

  take(bytes: Buffer): void {
    this.#hash.update(bytes);
  }

  /** Once, after the last byte. */
  fault(): string | undefined {
    const found = this.#hash.digest('hex');
    return found === this.#expected ? undefined : `has the digest ${this.#algorithm}:${found}`;
  }
}

function unreadable(error: unknown): string {
  return `cannot be read: ${String(error)}`;
}
