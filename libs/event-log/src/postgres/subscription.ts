import type { SealedEvent } from '@waybill/events';
import { DependencyUnavailable } from '@waybill/oci';
import type { Database } from '@waybill/platform';
import type { Consumer, Subscription, SubscriptionStatus } from '../event-feed.js';
import type { FeedOptions } from './event-feed.js';
import { FenceLost, Lease } from './lease.js';
import { Pulse } from './pulse.js';
import { readSealed } from './sealed-log.js';

const IDLE_POLL_MS = 250;
const BUSY_POLL_MS = 10;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;

/** An event that could not be handled by itself. */
class HandlerFailed extends Error {
  constructor(readonly event: SealedEvent, override readonly cause: unknown) {
    super(`the consumer failed at seq ${event.seq}`);
  }
}

/** One consumer of one process: lease, read, handle and checkpoint in one transaction, again. */
export class PostgresSubscription implements Subscription {
  readonly #pulse = new Pulse();
  readonly #interrupt = new Pulse();
  readonly #lease: Lease;
  readonly #leaseMs: number;
  readonly #batch: number;
  readonly #attempts: number;
  readonly #done: Promise<void>;
  #state: SubscriptionStatus['state'] = 'waiting';
  #ending = false;
  #failures = 0;
  /** Events of the next batch: halved whenever a batch outlived the lease, or slow handlers in two processes would undo each other for ever. */
  #limit: number;

  constructor(private readonly database: Database, private readonly consumer: Consumer, private readonly options: FeedOptions, private readonly ended: () => void) {
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#batch = options.batch ?? 200;
    this.#limit = this.#batch;
    this.#attempts = options.attempts ?? 5;
    this.#lease = new Lease(database, consumer.name, consumer.version, this.#leaseMs);
    this.#done = this.#run();
  }

  get status(): SubscriptionStatus {
    return { state: this.#state, seq: this.#lease.seq };
  }

  poke(): void {
    this.#pulse.poke();
  }

  resume(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'following';
    this.#failures = 0;
    this.#interrupt.poke();
  }

  async stop(): Promise<void> {
    this.#ending = true;
    this.#pulse.poke();
    this.#interrupt.poke();
    await this.#done;
  }

  async #run(): Promise<void> {
    let pollMs = BUSY_POLL_MS;
    while (!this.#ending) {
      try {
        if (!(await this.#lease.hold())) {
          this.#state = 'waiting';
          await this.#interrupt.sleep(this.#leaseMs / 3);
        } else if (this.#state === 'stopped') {
          // The lease is kept, or each of the other processes would run into the same event.
          await this.#interrupt.sleep(this.#leaseMs / 3);
        } else {
          this.#state = 'following';
          const limit = this.#failures === 0 ? this.#limit : 1;
          const events = await readSealed(this.database.sql, this.#lease.seq, limit);
          if (events.length > 0) await this.#apply(events);
          pollMs = events.length > 0 ? BUSY_POLL_MS : Math.min(pollMs * 2, IDLE_POLL_MS);
          if (events.length < limit) await this.#pulse.sleep(pollMs);
        }
      } catch (error) {
        await this.#recover(error);
      }
    }
    await this.#lease.release().catch((error: unknown) => this.options.failed?.(this.consumer, error));
    this.ended();
  }

  /** Effects and checkpoint in one transaction. */
  async #commit(events: readonly SealedEvent[]): Promise<void> {
    const last = events.at(-1);
    if (last === undefined) return;
    await this.database.transaction(async (sql) => {
      for (const event of events) await this.consumer.handle(event, sql);
      await this.#lease.advance(sql, last.seq);
    });
    this.#lease.advanced(last.seq);
    this.#failures = 0;
    this.#limit = Math.min(this.#limit * 2, this.#batch);
  }

  /** A batch that fails is undone and repeated event by event, so that everything before the broken event takes effect. */
  async #apply(events: readonly SealedEvent[]): Promise<void> {
    if (events.length > 1) {
      try {
        return await this.#commit(events);
      } catch (error) {
        if (isTransient(error)) throw error;
      }
    }
    for (const event of events) {
      await this.#commit([event]).catch((error: unknown) => {
        throw isTransient(error) ? error : new HandlerFailed(event, error);
      });
    }
  }

  async #recover(error: unknown): Promise<void> {
    this.#lease.doubt();
    const reason = error instanceof HandlerFailed ? error.cause : error;
    this.options.failed?.(this.consumer, reason);
    if (reason instanceof FenceLost) {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      return;
    }
    this.#failures++;
    if (error instanceof HandlerFailed && this.#failures >= this.#attempts) {
      this.#state = 'stopped';
      this.#alert(error.event, reason);
      return;
    }
    await this.#interrupt.sleep(Math.min(FIRST_RETRY_MS * 2 ** this.#failures, MAX_RETRY_MS));
  }

  #alert(event: SealedEvent, reason: unknown): void {
    try {
      this.consumer.stopped(event, reason);
    } catch (error) {
      this.options.failed?.(this.consumer, error);
    }
  }
}

function isTransient(error: unknown): boolean {
  return error instanceof FenceLost || error instanceof DependencyUnavailable;
}
