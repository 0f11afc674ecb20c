import type { SealedEvent } from '@waybill/events';
import { failpoint } from '@waybill/platform';
import type { Database, Sql, Statement } from '@waybill/platform';
import { EVENT_BYTES, EVENT_COLUMNS, MAX_READ_BYTES, storedEvent } from './event-row.js';
import type { EventRow } from './event-row.js';
import { canonicalLeaf, textLeaf } from './event-leaf.js';

// The row lock makes a pass alone: a second sealer waits here and then reads what the first one committed.
const LOCK: Statement = {
  name: 'es-seal-lock',
  text: `SELECT last_seq, log_id, epoch, coalesce(pg_sequence_last_value('es.gpos'), 0) AS drawn, pg_current_xact_id()::text AS xid,
      pg_snapshot_xmin(pg_current_snapshot())::text AS oldest, pg_postmaster_start_time()::text AS server
    FROM es.sealer WHERE id = 1 FOR UPDATE`,
};
// A statement of its own, after the lock: its snapshot sees everything that the pass before could have numbered. Lowest gpos first, so
// that a full batch never takes an event and leaves an earlier one of its stream. What is too much for one pass stays pending.
const TAKE: Statement = {
  name: 'es-seal-take',
  text: `WITH found AS MATERIALIZED (
      SELECT e.*, sum(e.bytes) OVER (ORDER BY e.gpos) - e.bytes AS before
      FROM (SELECT e.*, ${EVENT_BYTES} AS bytes FROM (SELECT gpos FROM es.pending WHERE gpos > $1 ORDER BY gpos LIMIT $2) p JOIN es.event e USING (gpos)) e
    ), taken AS (
      DELETE FROM es.pending WHERE gpos = ANY (ARRAY(SELECT f.gpos FROM found f WHERE f.before < $3))
    )
    SELECT ${EVENT_COLUMNS}, (SELECT count(*)::int FROM found) AS found FROM found e JOIN es.stream s USING (stream_id) WHERE e.before < $3 ORDER BY e.gpos`,
};
const NUMBER: Statement = {
  name: 'es-seal-number',
  text: `WITH numbered AS (
      INSERT INTO es.log (seq, gpos, sealed_at, leaf)
      SELECT $1::bigint + n, gpos, clock_timestamp(), leaf FROM unnest($2::bigint[], $3::bytea[]) WITH ORDINALITY b(gpos, leaf, n)
    )
    UPDATE es.sealer SET last_seq = $1::bigint + cardinality($2::bigint[]) WHERE id = 1`,
};
const ANY_PENDING: Statement = { name: 'es-seal-pending', text: 'SELECT gpos FROM es.pending WHERE gpos > $1 ORDER BY gpos LIMIT 1' };

interface LockRow {
  readonly last_seq: string | number;
  readonly log_id: string;
  readonly epoch: number;
  readonly drawn: string | number;
  readonly xid: string;
  readonly oldest: string;
  readonly server: string;
}

/** Told of events that have their numbers now. Must not throw. */
export type TellSealed = (events: readonly SealedEvent[], startedAt: number) => void;

export interface SealResult {
  readonly lastSeq: number;
  readonly sealed: number;
  /** Whether there is probably more to seal: the pass was full. */
  readonly more: boolean;
  /** Those without canonical JSON, whose leaves are over their texts: nothing that a registry appends. */
  readonly odd: readonly SealedEvent[];
}

/**
 * One transaction of the sealer: takes visible pending events, gives them the next numbers in gpos order, writes their leaves.
 * Correct with any number running at once, in any process.
 *
 * Where the scan of es.pending starts matters. From the beginning, it walks over every dead entry that an old snapshot keeps (a running
 * pg_dump). From a fixed distance below the newest, it would number a stream's later event before an earlier one that committed late.
 * So it starts at the highest gpos below which, provably, no unfinished transaction has drawn a number: `drawn` of some pass is such a
 * gpos once every transaction that was given its id before the *next* pass has ended, for whoever drew it had its id by then. Old
 * writers only hold the start back; readers do not even do that. Transaction ids are compared within one run of one server and never stored.
 * One run() of an instance at a time.
 */
export class SealPass {
  #start = 0;
  #server = '';
  /** Events of the next pass: halved after a failure, doubled after a success, so that what is too much for the server or for us is taken in parts. */
  #limit: number;
  #candidate: { readonly drawn: number; readonly before: bigint | undefined } | undefined;

  /** @param sealed told of the events of each pass after its commit; `startedAt`: when the pass began, of performance.now() */
  constructor(private readonly database: Database, private readonly batch: number, private readonly sealed?: TellSealed) {
    this.#limit = batch;
  }

  /** The gpos above which the next pass looks: everything committed up to it has its number. */
  get scanStart(): number {
    return this.#start;
  }

  /** The gpos of the oldest pending event that is visible: one index probe, no transaction. */
  async lowestPending(): Promise<number | undefined> {
    const [row] = await this.database.sql<{ gpos: string | number }>(ANY_PENDING, [this.#start]);
    return row === undefined ? undefined : Number(row.gpos);
  }

  /** Scans from the beginning next time: the belt to the braces above, after any error and every few seconds. */
  restart(): void {
    this.#start = 0;
    this.#candidate = undefined;
  }

  async run(): Promise<SealResult> {
    try {
      const startedAt = performance.now();
      const { lock, events, more, odd } = await this.database.transaction((sql) => this.#seal(sql));
      const { length: sealed } = events;
      if (sealed > 0) {
        failpoint('sealer.after_commit');
        this.sealed?.(events, startedAt);
      }
      this.#advance(lock, !more);
      this.#limit = Math.min(this.#limit * 2, this.batch);
      return { lastSeq: Number(lock.last_seq) + sealed, sealed, more, odd };
    } catch (error) {
      this.restart();
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      throw error;
    }
  }

  async #seal(sql: Sql): Promise<Pick<SealResult, 'more' | 'odd'> & { lock: LockRow; events: readonly SealedEvent[] }> {
    const [lock] = await sql<LockRow>(LOCK);
    if (lock === undefined) throw new Error('es.sealer has no row; the migrations have not run, or somebody has emptied it');
    if (lock.server !== this.#server || Number(lock.drawn) < this.#start) {
      this.restart();
      this.#server = lock.server;
    }
    const rows = await sql<EventRow & { found: number }>(TAKE, [this.#start, this.#limit, MAX_READ_BYTES]);
    const events = rows.map((row, i) => positioned(row, lock, i));
    const odd: SealedEvent[] = [];
    if (events.length > 0) {
      const leaves: Buffer[] = [];
      for (const event of events) {
        const leaf = canonicalLeaf(event);
        if (leaf === undefined) odd.push(event);
        leaves.push(leaf ?? (await textLeaf(sql, event)));
      }
      await sql(NUMBER, [lock.last_seq, rows.map((row) => row.gpos), leaves]);
      failpoint('sealer.before_commit');
    }
    const found = rows[0]?.found ?? 0;
    return { lock, events, more: found === this.#limit || found > rows.length, odd };
  }

  #advance(lock: LockRow, scannedAll: boolean): void {
    const candidate = this.#candidate;
    if (candidate === undefined) {
      this.#candidate = { drawn: Number(lock.drawn), before: undefined };
      return;
    }
    const before = candidate.before ?? BigInt(lock.xid);
    if (scannedAll && BigInt(lock.oldest) >= before) {
      this.#start = candidate.drawn;
      this.#candidate = { drawn: Number(lock.drawn), before: undefined };
    } else {
      this.#candidate = { drawn: candidate.drawn, before };
    }
  }
}

function positioned(row: EventRow, lock: LockRow, index: number): SealedEvent {
  return { ...storedEvent(row), log_id: lock.log_id, epoch: lock.epoch, seq: Number(lock.last_seq) + index + 1 };
}
