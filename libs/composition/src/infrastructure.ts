import type { BlobStorage } from '@waybill/blob-storage';
import { readUploadKey } from '@waybill/blobs';
import type { UploadKey } from '@waybill/blobs';
import { Sealer } from '@waybill/event-log/postgres';
import type { Relay } from '@waybill/event-log/postgres';
import { awaitSchema, migrate, PgDatabase } from '@waybill/platform';
import type { Config, Logger, Telemetry } from '@waybill/platform';
import { tellSealed } from './event-traces.js';
import { DependencyMetrics } from './instruments.js';
import type { Instruments } from './instruments.js';
import { openRelay } from './open-relay.js';
import { openStorage } from './open-storage.js';
import { ROLES } from './roles.js';
import type { Role } from './roles.js';

/** What the roles of a process share. Built once and passed on. */
export interface Infrastructure extends Instruments {
  readonly database: PgDatabase;
  /** Where the role blobs is. */
  readonly bytes: Bytes | undefined;
  /** Where the role relay is: no other one has the rights. */
  readonly sealer: Sealer | undefined;
  /** Where the role relay is and Kafka is configured. */
  readonly relay: Relay | undefined;
  /** Ends what was begun here, after the roles have ended. */
  close(): Promise<void>;
}

/** What only the role blobs uses. */
interface Bytes {
  readonly storage: BlobStorage;
  /** Signs the ids of uploads. */
  readonly uploadKey: UploadKey;
}

/** Milliseconds between two looks for events of other processes, which cannot wake this one: what a split deployment adds to the way of an event, at most. */
const POLL_OTHERS = 25;

/** The registry in one process brings the schema up to date itself; a part of one waits until the set-up step has done it. */
export async function prepareSchema(roles: readonly Role[], url: string, logger: Logger): Promise<void> {
  if (roles.length === ROLES.length) await migrate(url);
  else await awaitSchema(url, (what) => logger.warn(`waiting for ${what}`));
}

/** @param url of the database */
export async function buildInfrastructure(roles: readonly Role[], config: Config, url: string, instruments: Instruments): Promise<Infrastructure> {
  const { logger } = instruments;
  const watch = new DependencyMetrics(instruments, roles);
  const [, storage] = await Promise.all([
    prepareSchema(roles, url, logger),
    roles.includes('blobs') ? openStorage(config, watch.storage) : undefined,
  ]);
  const database = new PgDatabase({ url, poolSize: config.database.poolSize, onLost: watch.sessionLost, onStatement: watch.statement });
  const bytes = storage === undefined ? undefined : { storage, uploadKey: await readUploadKey(database) };
  const sealer = roles.includes('relay') ? openSealer(database, roles, watch, config.telemetry.endpoint === undefined ? undefined : instruments.telemetry) : undefined;
  sealer?.start();
  const relay = await openRelay(roles, config, database, instruments);
  relay?.start();
  return {
    database,
    bytes,
    sealer,
    relay,
    ...instruments,
    async close() {
      await relay?.stop();
      await sealer?.stop();
      await storage?.close();
      await database.close();
    },
  };
}

/** @param telemetry undefined where no trace is recorded */
function openSealer(database: PgDatabase, roles: readonly Role[], watch: DependencyMetrics, telemetry: Telemetry | undefined): Sealer {
  return new Sealer(database, {
    ...(roles.length === 1 ? { pollMs: POLL_OTHERS } : {}),
    sealed: telemetry && ((events, startedAt) => tellSealed(telemetry, events, startedAt)),
    failed: watch.sealFailed,
    odd: watch.sealedOdd,
  });
}
