import { parseArgs } from 'node:util';
import { endUploads } from '@waybill/blobs';
import { assertNobodyConnected, beginEpoch } from '@waybill/event-log/postgres';
import type { EpochBegun, EpochReason } from '@waybill/event-log/postgres';
import { migrate, PgDatabase } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { findDatabase } from './found-database.js';

const USAGE = 'expected --reason restore (the database was put back from a backup; every process of the registry stands still) or --reason failover (a standby took over)';

/**
 * `--reason restore|failover`: begins a new epoch of the log, as the owner of the schema, which is brought up to date first: the backup may be of an
 * earlier release. After a restore it also ends the uploads that were under way then. 0 = done.
 */
export async function beginEpochCommand(config: Config, words: readonly string[]): Promise<number> {
  const reason = reasonOf(words);
  const server = await findDatabase(config);
  const database = new PgDatabase({ url: server.url, poolSize: 2 });
  try {
    await assertRegistry(database);
    if (reason === 'restore') await assertNobodyConnected(database);
    await migrate(server.url);
    let ended = 0;
    const begun = await beginEpoch(database, reason, async (sql) => {
      if (reason === 'restore') ended = await endUploads(sql);
    });
    process.stdout.write(report(begun, reason, ended));
    return 0;
  } finally {
    await database.close();
    await server.stop();
  }
}

/** A name that was mistyped must not make a registry where none was. */
async function assertRegistry(database: PgDatabase): Promise<void> {
  const [row] = await database.sql<{ found: boolean }>(`SELECT to_regclass('es.sealer') IS NOT NULL AS found`);
  if (row?.found !== true) throw new Error('The database holds no registry: it has no log. Restore the backup into it first, or name another in database.url (WAYBILL_DATABASE_URL or DATABASE_URL). Nothing was changed.');
}

function reasonOf(words: readonly string[]): EpochReason {
  const { reason } = parseArgs({ args: [...words], options: { reason: { type: 'string' } } }).values;
  if (reason === 'restore' || reason === 'failover') return reason;
  throw new Error(reason === undefined ? `The reason is missing; ${USAGE}.` : `The reason ${JSON.stringify(reason)} is none; ${USAGE}.`);
}

function report(begun: EpochBegun, reason: EpochReason, ended: number): string {
  const lines = [
    begun.root === null
      ? `Epoch ${begun.before} of the log ${begun.logId} ended; it had no events.`
      : `Epoch ${begun.before} of the log ${begun.logId} ended with number ${begun.lastSeq}; the root over its leaves is ${begun.root}.`,
    `Epoch ${begun.epoch} began with number ${begun.seq} (EpochStarted, ${reason}).`,
  ];
  if (begun.pending > 0) lines.push(`Events that wait for their number and get it in epoch ${begun.epoch}: ${begun.pending}.`);
  if (ended > 0) lines.push(`Uploads that were under way when the backup was made, and are over: ${ended}. Their clients begin again.`);
  return `${lines.join('\n')}\n`;
}
