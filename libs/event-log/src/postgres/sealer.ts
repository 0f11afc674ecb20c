import type { SealedEvent } from '@waybill/events';
import type { Database, Statement } from '@waybill/platform';
import { Lease } from './lease.js';
import { Pulse } from './pulse.js';
import { SealPass } from './seal-pass.js';
import type { SealResult, TellSealed } from './seal-pass.js';

// Outside the pass: a NOTIFY inside a transaction takes a lock of the whole cluster until that transaction has flushed.
const NOTIFY: Statement = { name: 'es-seal-notify', text: `SELECT pg_notify('log', $1)` };
const ENSURE_PARTITIONS: Statement = { name: 'es-ensure-partitions', text: 'SELECT es.ensure_partitions()' };
const LAG: Statement = {
  name: 'es-seal-lag',
  text: `SELECT z.last_seq, coalesce((SELECT extract(epoch FROM clock_timestamp() - e.at) FROM es.event e
      WHERE e.gpos = (SELECT gpos FROM es.pending ORDER BY gpos LIMIT 1)), 0)::float8 AS seconds FROM es.sealer z WHERE z.id = 1`,
};

const PARTITIONS_EVERY_MS = 600_000;
const FULL_SCAN_EVERY_MS = 10_000;
const LEASE_MS = 15_000;
const MAX_BACKOFF_MS = 2_000;

export interface SealerOptions {
  /** After a poke, how long to gather more events before a pass: one pass then serves all the requests of a push. */
  readonly gatherMs?: number;
  /** How often an idle sealer looks for events of other processes; theirs cannot poke it. */
  readonly pollMs?: number;
  /** How often a sealer without the lease looks whether the holder is alive. */
  readonly standbyMs?: number;
  /** Events in one pass. */
  readonly batch?: number;
  readonly sealed?: TellSealed | undefined;
  /** Told of every failed pass; the sealer goes on by itself. */
  readonly failed?: (error: unknown) => void;
  /** Told of every event that was sealed by its text, because it has no canonical JSON (ADR 0031): somebody appended what no registry does. */
  readonly odd?: (event: SealedEvent) => void;
}

/** The heartbeat of everything asynchronous: `pendingSeconds` is the age of the oldest event without a number, 0 when there is none. */
export interface SealerLag {
  readonly lastSeq: number;
  readonly pendingSeconds: number;
}

/**
 * Numbers committed events. Every process may run one: the holder of the lease works, the others look now and then, and take
 * over when the oldest pending event has not moved since: a dead holder delays the log by a second, not by its lease.
 */
export class Sealer {
  readonly #pulse = new Pulse();
  /** Sleeps that only stop() may cut short: a busy process pokes all the time. */
  readonly #interrupt = new Pulse();
  readonly #pass: SealPass;
  readonly #lease: Lease;
  readonly #gatherMs: number;
  readonly #pollMs: number;
  readonly #standbyMs: number;
  readonly #batch: number;
  #running: Promise<void> | undefined;
  #stopping = false;
  #busy = false;
  #fullScanAt = 0;
  #partitionsAt = 0;
  #stuckAt: number | undefined;

  constructor(private readonly database: Database, private readonly options: SealerOptions = {}) {
    this.#gatherMs = options.gatherMs ?? 50;
    this.#pollMs = options.pollMs ?? 250;
    this.#standbyMs = options.standbyMs ?? 500;
    this.#batch = options.batch ?? 1000;
    this.#pass = new SealPass(database, this.#batch, options.sealed);
    this.#lease = new Lease(database, 'es.sealer', 0, LEASE_MS);
  }

  start(): void {
    this.#stopping = false;
    this.#running ??= this.#run();
  }

  /** Ends the running pass, gives the lease back. What is pending stays so until another sealer runs. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#pulse.poke();
    this.#interrupt.poke();
    await this.#running;
    this.#running = undefined;
  }

  /** An append of this process has committed. Cheap, never throws, may be called per request. */
  poke(): void {
    this.#pulse.poke();
  }

  /** One indexed query, from any process. */
  async lag(): Promise<SealerLag> {
    const [row] = await this.database.sql<{ last_seq: string | number; seconds: number }>(LAG);
    return { lastSeq: Number(row?.last_seq ?? 0), pendingSeconds: Math.max(0, Number(row?.seconds ?? 0)) };
  }

  /** Seals everything that is committed now, whoever has the lease, and answers the last number. For tools and tests. */
  async drain(): Promise<number> {
    // a pass of its own: where one of them scans from is argued from passes that follow each other
    const pass = new SealPass(this.database, this.#batch);
    for (;;) {
      const { sealed, lastSeq, more } = await pass.run();
      if (sealed > 0) await this.database.sql(NOTIFY, [String(lastSeq)]);
      if (!more) return lastSeq;
    }
  }

  async #run(): Promise<void> {
    let backoff = this.#pollMs;
    while (!this.#stopping) {
      try {
        await this.#turn();
        backoff = this.#pollMs;
      } catch (error) {
        this.#lease.doubt();
        this.options.failed?.(error);
        await this.#interrupt.sleep(backoff);
        backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
      }
    }
    await this.#lease.release().catch((error: unknown) => this.options.failed?.(error));
  }

  async #turn(): Promise<void> {
    if (!(await this.#lease.hold())) return this.#standBy();
    await this.#ensurePartitions();
    // Events of other processes do not poke: while they keep coming, look again after the gathering time already.
    const poked = await this.#pulse.sleep(this.#busy ? this.#gatherMs : this.#pollMs);
    if (this.#stopping) return;
    if (performance.now() > this.#fullScanAt) {
      this.#pass.restart();
      this.#fullScanAt = performance.now() + FULL_SCAN_EVERY_MS;
    }
    if (poked) await pause(this.#gatherMs);
    else if ((await this.#pass.lowestPending()) === undefined) {
      this.#busy = false;
      return;
    }
    await this.#sealAll();
  }

  async #sealAll(): Promise<void> {
    let result: SealResult;
    do {
      result = await this.#pass.run();
      for (const event of result.odd) this.options.odd?.(event);
      // after its commit: whoever is woken finds the numbers
      if (result.sealed > 0) await this.database.sql(NOTIFY, [String(result.lastSeq)]);
    } while (result.more && !this.#stopping);
    this.#busy = result.sealed > 0;
  }

  async #standBy(): Promise<void> {
    await this.#interrupt.sleep(this.#standbyMs);
    if (this.#stopping) return;
    const lowest = await this.#pass.lowestPending();
    if (lowest !== undefined && lowest === this.#stuckAt) await this.#lease.seize();
    this.#stuckAt = lowest;
  }

  async #ensurePartitions(): Promise<void> {
    if (performance.now() < this.#partitionsAt) return;
    await this.database.sql(ENSURE_PARTITIONS);
    this.#partitionsAt = performance.now() + PARTITIONS_EVERY_MS;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
