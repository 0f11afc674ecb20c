import { epochStarted, EventUnreadable, foldEvent, MerkleFrontier } from '@waybill/events';
import type { SealedEvent, StoredEvent } from '@waybill/events';
import type { Database, Sql } from '@waybill/platform';
import { epochAt, EVENT_BYTES, EVENT_COLUMNS, MAX_READ_BYTES, sealedEvent, storedEvent } from '../event-row.js';
import type { EventRow, SealedRow } from '../event-row.js';
import { isLeafOf } from '../event-leaf.js';
import { FoldedState } from './folded-state.js';
import { LIVE_STATE, tableOf } from './live-state.js';
import { CONTENT_CHECK, LOG_CHECKS } from './log-checks.js';

const BATCH = 1000;
/** Differences that a report spells out; the first ones say what is wrong, the next thousand say it again. */
const SHOWN = 50;

// Outer joins: a number whose event is gone must not end the batch early; it is reported by the checks of the log.
const SEALED = `SELECT l.seq, l.leaf, e.gpos IS NULL OR s.stream_id IS NULL AS missing, z.log_id, coalesce(${epochAt('l.seq')}, 0) AS epoch, ${EVENT_COLUMNS}
  FROM (${within('SELECT * FROM es.log WHERE seq > $1 ORDER BY seq', 'seq')}) l
  LEFT JOIN es.event e ON e.gpos = l.gpos LEFT JOIN es.stream s ON s.stream_id = e.stream_id JOIN es.sealer z ON z.id = 1 ORDER BY l.seq`;
const PENDING = `SELECT ${EVENT_COLUMNS}
  FROM (${within('SELECT * FROM es.pending WHERE gpos > $1 ORDER BY gpos', 'gpos')}) p
  JOIN es.event e USING (gpos) JOIN es.stream s USING (stream_id) ORDER BY p.gpos`;
const COMPARE = `SELECT coalesce(f.model, l.model) AS model, coalesce(f.key, l.key) AS key, f.row AS folded, l.row AS live
  FROM pg_temp.folded f FULL JOIN (${LIVE_STATE}) l ON l.model = f.model AND l.key = f.key
  WHERE f.row IS DISTINCT FROM l.row ORDER BY 1, 2`;
const COUNT = 'SELECT model, count(*)::int AS rows FROM pg_temp.folded GROUP BY model ORDER BY model';

// Limits and plan settings of the pool are for short statements that must not change their plan; these read whole tables once.
const SETTINGS = ['statement_timeout = 0', 'idle_in_transaction_session_timeout = 0', 'plan_cache_mode = auto', 'enable_seqscan = on', 'enable_hashjoin = on',
  'enable_mergejoin = on', 'jit = off'];

export interface LogReport {
  /** Events folded: with a number, and pending in the snapshot. */
  readonly sealed: number;
  readonly pending: number;
  /** Rows that the fold came to, by model. */
  readonly rows: Readonly<Record<string, number>>;
  /** Plain words, the first 50; empty when the log and the state are equal. */
  readonly differences: readonly string[];
  /** Whether there are more than those. */
  readonly truncated: boolean;
}

/**
 * Folds the log from its first event and compares the outcome with the live state tables, row by row and by natural key; checks numbers,
 * versions, leaves and the bytes of manifests on the way. One REPEATABLE READ snapshot: safe and exact while others push. It writes
 * nothing but a temporary table.
 */
export async function verifyLog(database: Database): Promise<LogReport> {
  return database.transaction(async (sql) => {
    for (const setting of SETTINGS) await sql(`SET LOCAL ${setting}`);
    return new Verification(sql, await FoldedState.create(sql)).run();
  }, 'repeatable read');
}

class Verification {
  readonly #differences: string[] = [];
  readonly #tree = new MerkleFrontier();
  #truncated = false;

  constructor(private readonly sql: Sql, private readonly state: FoldedState) {}

  async run(): Promise<LogReport> {
    for (const check of LOG_CHECKS) await this.#lines(check);
    const sealed = await this.#foldSealed();
    const pending = await this.#foldPending();
    await this.state.complete();
    const counts = await this.sql<{ model: string; rows: number }>(COUNT);
    await this.#compare();
    await this.#lines(CONTENT_CHECK);
    const rows = Object.fromEntries(counts.map(({ model, rows: count }) => [model, count]));
    return { sealed, pending, rows, differences: this.#differences, truncated: this.#truncated };
  }

  async #foldSealed(): Promise<number> {
    let folded = 0;
    let after = 0;
    for (;;) {
      const rows = await this.sql<SealedRow & { leaf: Buffer; missing: boolean }>(SEALED, [after]);
      for (const row of rows) {
        if (!row.missing) await this.#foldNumbered(sealedEvent(row), row.leaf);
        this.#tree.add(row.leaf);
      }
      await this.state.flush();
      folded += rows.length;
      const last = rows.at(-1);
      if (last === undefined) return folded;
      after = Number(last.seq);
    }
  }

  async #foldPending(): Promise<number> {
    let folded = 0;
    let after = 0;
    for (;;) {
      const rows = await this.sql<EventRow>(PENDING, [after]);
      for (const row of rows) this.#fold(storedEvent(row));
      await this.state.flush();
      folded += rows.length;
      const last = rows.at(-1);
      if (last === undefined) return folded;
      after = Number(last.gpos);
    }
  }

  async #foldNumbered(event: SealedEvent, leaf: Buffer): Promise<void> {
    if (!(await isLeafOf(this.sql, event, leaf))) {
      this.#report(`es.log: the leaf of seq ${event.seq} is not that of its event (${event.type} in ${event.stream}); one of them was changed`);
    }
    this.#fold(event);
    if (event.type === epochStarted.type) this.#checkEpoch(event);
  }

  /** What the event that begins an epoch says of the log before it. */
  #checkEpoch(event: SealedEvent): void {
    const said = readable(event);
    if (said === undefined) return;
    const root = this.#tree.size === 0 ? null : this.#tree.root().toString('hex');
    if (said.epoch !== event.epoch) this.#report(`es.log: the event at seq ${event.seq} begins epoch ${said.epoch}, but stands in epoch ${event.epoch}`);
    if (said.previous_root !== root) this.#report(`es.log: the event at seq ${event.seq} says that the leaves before it have the root ${said.previous_root}, they have ${root}`);
  }

  #fold(event: StoredEvent): void {
    try {
      this.state.add(foldEvent(event));
    } catch (error) {
      if (!(error instanceof EventUnreadable)) throw error;
      this.#report(error.message);
    }
  }

  async #compare(): Promise<void> {
    const rows = await this.sql<{ model: string; key: string; folded: unknown; live: unknown }>(`${COMPARE} LIMIT ${SHOWN + 1}`);
    for (const { model, key, folded, live } of rows) this.#report(`${tableOf(model)} ${key}: ${difference(folded, live)}`);
  }

  async #lines(text: string): Promise<void> {
    for (const { line } of await this.sql<{ line: string }>(`${text} LIMIT ${SHOWN + 1}`)) this.#report(line);
  }

  #report(line: string): void {
    if (this.#differences.length < SHOWN) this.#differences.push(line);
    else this.#truncated = true;
  }
}

/** Undefined where the fold has reported that it cannot be read. */
function readable(event: SealedEvent): ReturnType<typeof epochStarted.read>['data'] | undefined {
  try {
    return epochStarted.read(event).data;
  } catch {
    return undefined;
  }
}

function difference(folded: unknown, live: unknown): string {
  if (live === null) return `the events say ${JSON.stringify(folded)}, but there is no such row`;
  if (folded === null) return `the row says ${JSON.stringify(live)}, but no event accounts for it`;
  return `the events say ${JSON.stringify(folded)}, the row says ${JSON.stringify(live)}`;
}

/** What the query finds from its first row on, as far as the events fit into memory. */
function within(query: string, order: string): string {
  return `SELECT * FROM (
    SELECT q.*, sum(coalesce(${EVENT_BYTES}, 0)) OVER (ORDER BY q.${order}) - coalesce(${EVENT_BYTES}, 0) AS before
    FROM (${query} LIMIT ${BATCH}) q LEFT JOIN es.event e ON e.gpos = q.gpos) b WHERE b.before < ${MAX_READ_BYTES}`;
}
