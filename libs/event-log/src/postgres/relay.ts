import { setTimeout as delay } from 'node:timers/promises';
import type { SealedEvent } from '@waybill/events';
import { failpoint } from '@waybill/platform';
import type { Database, Sql, Statement } from '@waybill/platform';
import { OutletRefused } from '../event-outlet.js';
import type { Acknowledged, EventOutlet, OpenOutlet, OutletBatch } from '../event-outlet.js';
import { FenceLost, Lease } from './lease.js';
import { Pulse } from './pulse.js';
import { readSealed } from './sealed-log.js';

const LOG_ID: Statement = { name: 'es-relay-log', text: 'SELECT log_id FROM es.sealer WHERE id = 1' };
const PREVIOUS: Statement = { name: 'es-relay-previous', text: 'SELECT partition, seq, tail FROM es.relay_partition WHERE relay = $1' };
const SENT: Statement = {
  name: 'es-relay-sent',
  text: `INSERT INTO es.relay_partition AS p (relay, partition, seq, tail) SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bigint[])
    ON CONFLICT (relay, partition) DO UPDATE SET seq = excluded.seq, tail = excluded.tail`,
};
const LAG: Statement = {
  name: 'es-relay-lag',
  text: `SELECT z.last_seq - coalesce(c.seq, 0) AS events, coalesce(c.seq, 0) AS seq,
      coalesce((SELECT extract(epoch FROM clock_timestamp() - l.sealed_at) FROM es.log l WHERE l.seq = coalesce(c.seq, 0) + 1), 0)::float8 AS seconds
    FROM es.sealer z LEFT JOIN es.consumer c ON c.name = $1 AND c.version = 1 AND c.shard = 0 WHERE z.id = 1`,
};

const IDLE_POLL_MS = 250;
const BUSY_POLL_MS = 10;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
const READ_EVENTS = 1_000;
const STOP_MS = 10_000;

export interface RelayOptions {
  /** How long a dead relay keeps the others waiting; 5 seconds. A living one keeps its lease however long a batch takes. */
  readonly leaseMs?: number;
  /** Told of every failure; the relay goes on by itself. */
  readonly failed?: (error: unknown) => void;
  /** Told of what an outlet has taken, in the order of seq. @param startedAt when sending began, of performance.now() */
  readonly sent?: (events: readonly SealedEvent[], startedAt: number) => void;
  /** Told when this process begins and ceases to publish. */
  readonly leading?: (leads: boolean) => void;
}

/** How far the outlet is behind the sealed log. `seconds`: since the oldest event that it does not have got its number; 0 where it has all. */
export interface RelayLag {
  readonly seq: number;
  readonly events: number;
  readonly seconds: number;
}

/**
 * Publishes the sealed log to an outlet in the order of seq: at least once, no gap, one process at a time (event-log.md section 4).
 *
 * The lease says who publishes; then the outlet shuts out whoever did before; then the checkpoint moves, fenced again, after the outlet has the
 * batch. A relay that dies between the two sends that batch again: per partition seq then steps back once, and a reader that drops what is not
 * above the last one it saw has every event once. Nothing waits in memory while the outlet is away: the log is the queue.
 */
export class Relay {
  readonly #name: string;
  readonly #lease: Lease;
  readonly #leaseMs: number;
  readonly #pulse = new Pulse();
  readonly #interrupt = new Pulse();
  readonly #failed: (error: unknown) => void;
  #open: OpenOutlet | undefined;
  #previous = new Map<number, number>();
  #ending = false;
  #done: Promise<void> | undefined;
  #unlisten: Promise<() => Promise<void>> | undefined;
  #published = 0;
  /** Events of the next read: halved whenever a batch failed, or two processes that are too slow for the lease, or a read that the server ends, would fail for ever. */
  #limit = READ_EVENTS;
  #heart: NodeJS.Timeout | undefined;
  #failures = 0;
  #refusal: OutletRefused | undefined;

  constructor(private readonly database: Database, private readonly outlet: EventOutlet, private readonly options: RelayOptions = {}) {
    this.#name = outlet.name;
    this.#leaseMs = options.leaseMs ?? 5_000;
    this.#lease = new Lease(database, this.#name, 1, this.#leaseMs);
    this.#failed = options.failed ?? (() => undefined);
  }

  /** Events that this process has published, repetitions included. */
  get published(): number {
    return this.#published;
  }

  /** Failed attempts of this process, of every kind. */
  get failures(): number {
    return this.#failures;
  }

  /** Why the outlet takes nothing until somebody mends it; undefined where it does, or is only away. */
  get refusal(): OutletRefused | undefined {
    return this.#refusal;
  }

  start(): void {
    this.#unlisten = this.database.listen('log', () => this.#pulse.poke());
    // without notifications it polls
    this.#unlisten.catch(this.#failed);
    this.#done ??= this.#run();
  }

  /** Lets the running batch end, if it does so within ten seconds, and gives the lease back. Idempotent. */
  async stop(): Promise<void> {
    this.#ending = true;
    this.#pulse.poke();
    this.#interrupt.poke();
    // an outlet that does not answer may hold a batch for longer; the lease then runs out by itself
    await Promise.race([this.#done, delay(STOP_MS, undefined, { ref: false })]);
    const unlisten = await this.#unlisten?.catch(() => undefined);
    await unlisten?.();
    this.#unlisten = undefined;
  }

  async lag(): Promise<RelayLag> {
    const [row] = await this.database.sql<{ events: string | number; seq: string | number; seconds: number }>(LAG, [this.#name]);
    return { seq: Number(row?.seq ?? 0), events: Number(row?.events ?? 0), seconds: row?.seconds ?? 0 };
  }

  async #run(): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    let pollMs = BUSY_POLL_MS;
    while (!this.#ending) {
      try {
        if (!(await this.#lease.hold())) {
          await this.#resign();
          await this.#interrupt.sleep(this.#leaseMs / 3);
          continue;
        }
        // the lease tells of a living process, not of a quick outlet or database
        this.#heart ??= setInterval(() => void this.#lease.renew().catch(this.#failed), this.#leaseMs / 5);
        this.#open ??= await this.#begin();
        const events = await readSealed(this.database.sql, this.#lease.seq, this.#limit);
        await this.#relay(this.#open, events);
        retryMs = FIRST_RETRY_MS;
        pollMs = events.length > 0 ? BUSY_POLL_MS : Math.min(pollMs * 2, IDLE_POLL_MS);
        if (events.length === 0) await this.#pulse.sleep(pollMs);
      } catch (error) {
        await this.#recover(error, retryMs);
        retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
      }
    }
    await this.#resign();
    await this.#lease.release().catch(this.#failed);
  }

  /** To be called with the lease held: the checkpoint cannot move any more behind our back, and after this nobody else's message can follow ours. */
  async #begin(): Promise<OpenOutlet> {
    const [log] = await this.database.sql<{ log_id: string }>(LOG_ID);
    if (log === undefined) throw new Error('es.sealer has no row; the migrations have not run, or somebody has emptied it');
    const open = await this.outlet.open(log.log_id, await this.#acknowledged());
    this.#refusal = undefined;
    try {
      this.#previous = new Map([...(await this.#acknowledged())].map(([partition, { seq }]) => [partition, seq]));
    } catch (error) {
      await open.close().catch(() => undefined);
      throw error;
    }
    this.options.leading?.(true);
    return open;
  }

  async #acknowledged(): Promise<Map<number, Acknowledged>> {
    const rows = await this.database.sql<{ partition: number; seq: string | number; tail: string | number | null }>(PREVIOUS, [this.#name]);
    return new Map(rows.map(({ partition, seq, tail }) => [partition, { seq: Number(seq), end: tail === null ? undefined : Number(tail) }]));
  }

  async #relay(open: OpenOutlet, events: readonly SealedEvent[]): Promise<void> {
    let told = 0;
    for (const batch of open.batches(events, this.#previous)) {
      if (!(await this.#lease.hold())) throw new FenceLost(`the lease of ${this.#name} went to another process before seq ${batch.lastSeq} was published`);
      const startedAt = performance.now();
      const ends = await batch.send();
      failpoint('relay.after_publish');
      await this.database.transaction((sql) => this.#checkpoint(sql, batch, ends));
      this.#lease.advanced(batch.lastSeq);
      this.#published += batch.events;
      this.options.sent?.(events.slice(told, (told += batch.events)), startedAt);
      this.#limit = Math.min(this.#limit * 2, READ_EVENTS);
      // whoever goes on begins from what the database says
      if (this.#ending) return;
    }
  }

  async #checkpoint(sql: Sql, { partitions, lastSeq }: OutletBatch, ends: ReadonlyMap<number, number>): Promise<void> {
    await this.#lease.advance(sql, lastSeq);
    await sql(SENT, [this.#name, [...partitions.keys()], [...partitions.values()], [...partitions.keys()].map((partition) => ends.get(partition) ?? null)]);
    failpoint('relay.before_checkpoint');
  }

  /** Nothing is known after an error, so everything is given up: the next attempt, here or in another process, begins from the database. */
  async #recover(error: unknown, retryMs: number): Promise<void> {
    this.#failures++;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    if (error instanceof OutletRefused) this.#refusal = error;
    this.#failed(error);
    await this.#resign();
    await this.#lease.release().catch(this.#failed);
    // not all at once: the broker that comes back is asked by everybody
    await this.#interrupt.sleep(retryMs * (0.5 + Math.random() / 2));
  }

  async #resign(): Promise<void> {
    clearInterval(this.#heart);
    this.#heart = undefined;
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    await open.close().catch(this.#failed);
    this.options.leading?.(false);
  }
}
