import type { Database } from '@waybill/platform';

/** The key that all replicas on one database sign ids of uploads with. Made once, with the schema. */
export async function readUploadKey(database: Database): Promise<Buffer> {
  const [row] = await database.sql<{ value: Buffer }>(`SELECT value FROM reg.secret WHERE name = 'upload-id'`);
  if (row === undefined) throw new Error('the database has no key for ids of uploads (reg.secret, upload-id): it was not made by our migrations, or the row was deleted');
  return row.value;
}
