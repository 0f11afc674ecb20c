import type { Database } from '@waybill/platform';
import { DatabaseClock } from './database-clock.js';

/** What ids of uploads are made and read with; the same at all replicas on one database. */
export interface UploadKey {
  readonly secret: Buffer;
  /** Ids carry its time, because the database judges their age. */
  readonly clock: DatabaseClock;
}

/** The key was made once, with the schema. */
export async function readUploadKey(database: Database): Promise<UploadKey> {
  const [row] = await database.sql<{ value: Buffer | null; now: number }>(
    'SELECT reg.upload_key_v1() AS value, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now');
  if (row?.value == null) throw new Error('the database has no key for ids of uploads (reg.secret, upload-id): it was not made by our migrations, or the row was deleted');
  return { secret: row.value, clock: new DatabaseClock(database, row.now - performance.now()) };
}
