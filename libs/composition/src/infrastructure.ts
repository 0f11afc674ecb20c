import type { BlobStorage } from '@waybill/blob-storage';
import { readUploadKey } from '@waybill/blobs';
import type { UploadKey } from '@waybill/blobs';
import { Sealer } from '@waybill/event-log/postgres';
import { migrate, PgDatabase } from '@waybill/platform';
import type { Config, Logger } from '@waybill/platform';
import { openStorage } from './open-storage.js';

/** What the roles of a process share. Built once and passed on. */
export interface Infrastructure {
  readonly database: PgDatabase;
  readonly storage: BlobStorage;
  /** Signs the ids of uploads. */
  readonly uploadKey: UploadKey;
  readonly sealer: Sealer;
  readonly logger: Logger;
  /** Ends what was begun here, after the roles have ended. */
  close(): Promise<void>;
}

/** Brings the schema up to date first, so that several processes may start at once. @param url of the database */
export async function buildInfrastructure(config: Config, url: string, logger: Logger): Promise<Infrastructure> {
  const [, storage] = await Promise.all([
    migrate(url),
    openStorage(config, ({ operation, error }) => {
      if (error !== undefined) logger.warn({ operation, err: error }, 'the blob storage failed');
    }),
  ]);
  const database = new PgDatabase({ url, poolSize: config.database.poolSize, onLost: (error) => logger.warn({ err: error }, 'a database session was lost') });
  const uploadKey = await readUploadKey(database);
  const sealer = new Sealer(database, { failed: (error) => logger.error({ err: error }, 'sealing failed; it is tried again') });
  sealer.start();
  return {
    database,
    storage,
    uploadKey,
    sealer,
    logger,
    async close() {
      await sealer.stop();
      await storage.close();
      await database.close();
    },
  };
}
