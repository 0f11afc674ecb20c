import type { Database } from '@waybill/platform';
import { EventFeed } from '../event-feed.js';
import type { Consumer, Subscription } from '../event-feed.js';
import { PostgresSubscription } from './subscription.js';

export interface FeedOptions {
  /** How long a dead holder keeps the others waiting. A batch that takes longer is undone when somebody else took over. */
  readonly leaseMs?: number;
  /** Events read, and committed with one checkpoint, at a time. */
  readonly batch?: number;
  /** Tries of one event, with growing pauses, before the consumer stops. An unavailable dependency is waited for and never counts. */
  readonly attempts?: number;
  /** Told of every failed try and every lost connection; the subscription goes on by itself. */
  readonly failed?: (consumer: Consumer, error: unknown) => void;
}

/** EventFeed over es.log. One LISTEN connection serves all subscriptions; without it they find events by polling. */
export class PostgresEventFeed extends EventFeed {
  readonly #subscriptions = new Set<PostgresSubscription>();
  #listening: Promise<() => Promise<void>> | undefined;

  constructor(private readonly database: Database, private readonly options: FeedOptions = {}) {
    super();
  }

  override subscribe(consumer: Consumer): Subscription {
    this.#listen(consumer);
    const subscription = new PostgresSubscription(this.database, consumer, this.options, () => this.#subscriptions.delete(subscription));
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Stops every subscription and gives the connection back. */
  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    const listening = this.#listening;
    this.#listening = undefined;
    const unlisten = await listening?.catch(() => undefined);
    await unlisten?.();
  }

  #listen(consumer: Consumer): void {
    if (this.#listening !== undefined) return;
    this.#listening = this.database.listen('log', () => {
      for (const subscription of this.#subscriptions) subscription.poke();
    });
    this.#listening.catch((error: unknown) => {
      this.#listening = undefined;
      this.options.failed?.(consumer, error);
    });
  }
}
