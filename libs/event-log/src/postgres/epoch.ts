import { setTimeout as delay } from 'node:timers/promises';
import { epochStarted, leafHash, MerkleFrontier, uuidv7 } from '@waybill/events';
import type { Database, Sql } from '@waybill/platform';
import { EVENT_COLUMNS, storedEvent } from './event-row.js';
import type { EventRow } from './event-row.js';

/** restore: the database was put back from a backup. failover: a standby took over that may not have received everything. */
export type EpochReason = 'failover' | 'restore';

export interface EpochBegun {
  readonly logId: string;
  /** The epoch that ended, and the last number given in it; 0 where there is none. */
  readonly before: number;
  readonly lastSeq: number;
  /** RFC 6962 root over the leaves up to there, in hex; null where there are none. */
  readonly root: string | null;
  readonly epoch: number;
  /** Of the event EpochStarted, the first of the new epoch. */
  readonly seq: number;
  /** Events that were appended before and get their numbers now, in the new epoch. */
  readonly pending: number;
}

/** A sealer gives out numbers of the epoch that is to end. Nothing was changed. */
export class SealerAtWork extends Error {
  override readonly name = 'SealerAtWork';

  constructor() {
    super('a registry is at work on this database and numbers events in the old epoch; stop every process of it, then try again. Nothing was changed');
  }
}

/** Sessions of others stand open on the database. Nothing was changed. */
export class SessionsOpen extends Error {
  override readonly name = 'SessionsOpen';

  constructor(sessions: readonly string[]) {
    super(`${sessions.join(', ')}: a registry is at work on this database, or somebody else is. What they write belongs to the old epoch; stop every process of the registry, close the other sessions (a pooler's too), then try again. Nothing was changed`);
  }
}

const LEAVES = 10_000;
const LOOK_EVERY_MS = 500;
/** How long a session that was just closed may still be listed. */
const ENDING_MS = 3_000;
// Who may not read the statistics of others sees the name and the database all the same; workers of the server have no name.
const SESSIONS = `SELECT format('%s %s of the role %s%s', count(*), CASE count(*) WHEN 1 THEN 'session' ELSE 'sessions' END, usename,
    CASE WHEN application_name <> '' THEN format(' (%s)', left(application_name, 60)) END) AS session
  FROM pg_stat_activity WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid() GROUP BY usename, application_name ORDER BY 1`;

/**
 * Begins a new epoch in one transaction, under the lock by which sealers keep out of each other's way: the next epoch, and EpochStarted as its first
 * event, numbered at once. What is pending stays so and is numbered in the new epoch; in the old one its numbers may be those that the lost part of the
 * log gave to other events. After a restore no sealer may be at work, because it does just that; after a failover they cannot be kept away, and go
 * on by themselves. Each call begins another epoch. For the owner of the schema: services have no right to es.epoch.
 * @param alongside what else belongs to it, in the same transaction @throws SealerAtWork
 */
export async function beginEpoch(database: Database, reason: EpochReason, alongside: (sql: Sql) => Promise<void> = () => Promise.resolve()): Promise<EpochBegun> {
  if (reason === 'restore') await assertNobodySeals(database);
  const tree = new MerkleFrontier();
  // most of the log, before the lock: numbers once given do not change
  await addLeaves(database.sql, tree);
  const begun = await database.transaction(async (sql) => {
    const result = await begin(sql, tree, reason);
    await alongside(sql);
    return result;
  });
  await database.sql(`SELECT pg_notify('log', $1)`, [String(begun.seq)]);
  return begun;
}

/**
 * After a restore nobody may write in the old epoch: not a service whose sealer is elsewhere or stands still either.
 * @param database whose only session is the one that this is asked through @throws SessionsOpen
 */
export async function assertNobodyConnected(database: Database): Promise<void> {
  for (const until = performance.now() + ENDING_MS; ; await delay(LOOK_EVERY_MS / 5)) {
    const sessions = await database.sql<{ session: string }>(SESSIONS);
    if (sessions.length === 0) return;
    if (performance.now() > until) throw new SessionsOpen(sessions.map(({ session }) => session));
  }
}

/** The lease of a sealer that was at work when the backup was made stands in it, and runs out; that of one at work now moves. */
async function assertNobodySeals(database: Database): Promise<void> {
  for (let first: string | undefined; ; await delay(LOOK_EVERY_MS)) {
    const [lease] = await database.sql<{ until: string }>(
      `SELECT lease_until::text AS until FROM es.consumer WHERE name = 'es.sealer' AND owner IS NOT NULL AND lease_until > clock_timestamp()`);
    if (lease === undefined) return;
    if (first !== undefined && lease.until !== first) throw new SealerAtWork();
    first = lease.until;
  }
}

async function begin(sql: Sql, tree: MerkleFrontier, reason: EpochReason): Promise<EpochBegun> {
  const [sealer] = await sql<{ log_id: string; epoch: number; last_seq: string }>('SELECT log_id, epoch, last_seq FROM es.sealer WHERE id = 1 FOR UPDATE');
  if (sealer === undefined) throw new Error('es.sealer has no row; the migrations have not run, or somebody has emptied it');
  await addLeaves(sql, tree);
  const lastSeq = Number(sealer.last_seq);
  if (tree.size !== lastSeq) throw new Error(`es.log has ${tree.size} numbers without a gap, es.sealer says ${lastSeq}; the log is damaged, npm run log:verify says where. Nothing was changed`);
  const root = lastSeq === 0 ? null : tree.root().toString('hex');
  const [epoch, seq] = [sealer.epoch + 1, lastSeq + 1];
  const [waiting] = await sql<{ pending: string }>('SELECT count(*) AS pending FROM es.pending');
  const event = await append(sql, { epoch, previous_root: root, reason });
  const leaf = leafHash({ ...storedEvent(event), log_id: sealer.log_id, epoch, seq });
  await sql('DELETE FROM es.pending WHERE gpos = $1', [event.gpos]);
  await sql('INSERT INTO es.log (seq, gpos, sealed_at, leaf) VALUES ($1, $2, clock_timestamp(), $3)', [seq, event.gpos, leaf]);
  await sql('INSERT INTO es.epoch (epoch, first_seq) VALUES ($1, $2)', [epoch, seq]);
  await sql('UPDATE es.sealer SET epoch = $1, last_seq = $2 WHERE id = 1', [epoch, seq]);
  return { logId: sealer.log_id, before: sealer.epoch, lastSeq, root, epoch, seq, pending: Number(waiting?.pending ?? 0) };
}

async function append(sql: Sql, data: ReturnType<typeof epochStarted.read>['data']): Promise<EventRow> {
  const { type, schema_version, stream } = epochStarted;
  const [appended] = await sql<{ gpos: string }>(`SELECT gpos FROM es.append_one($1, NULL, $2, $3, $4, 0, NULL, $5, '{}')`,
    [stream, uuidv7(), type, schema_version, JSON.stringify(data)]);
  const [event] = await sql<EventRow>(`SELECT ${EVENT_COLUMNS} FROM es.event e JOIN es.stream s USING (stream_id) WHERE e.gpos = $1`, [appended?.gpos]);
  if (event === undefined) throw new Error('the event that begins the epoch is not there; expected what was appended in the same transaction');
  return event;
}

/** Adds the leaves above those that the tree has. Stops at a gap: the size then says where. */
async function addLeaves(sql: Sql, tree: MerkleFrontier): Promise<void> {
  for (let read = LEAVES; read === LEAVES; ) {
    const rows = await sql<{ seq: string; leaf: Buffer }>(`SELECT seq, leaf FROM es.log WHERE seq > $1 ORDER BY seq LIMIT ${LEAVES}`, [tree.size]);
    read = rows.length;
    for (const { seq, leaf } of rows) {
      if (Number(seq) !== tree.size + 1) return;
      tree.add(leaf);
    }
  }
}
