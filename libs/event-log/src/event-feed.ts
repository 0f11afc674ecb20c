import type { SealedEvent } from '@waybill/events';
import type { Sql } from '@waybill/platform';

/** A consumer of the whole log, from its first event on. */
export interface Consumer {
  /** The name under which the checkpoint is kept. Processes that subscribe under one name share it: one of them is handed events. */
  readonly name: string;
  /** Another version starts from the beginning with a checkpoint of its own: how a read model is rebuilt beside the old one. */
  readonly version: number;
  /**
   * Called in seq order, one event at a time. What it writes through `sql` commits together with the checkpoint, so it takes effect
   * exactly once; effects elsewhere happen at least once, with event_id as their key. Unknown types must be expected: the event is as stored.
   */
  handle(event: SealedEvent, sql: Sql): Promise<void>;
  /** Told once when an event could not be handled and the consumer stopped before it. Somebody has to look: nothing is ever skipped. */
  stopped(event: SealedEvent, error: unknown): void;
}

/** waiting: another process has the lease; following; stopped: before the event at `seq` + 1, until resume(). */
export interface SubscriptionStatus {
  readonly state: 'waiting' | 'following' | 'stopped';
  /** The checkpoint: the last event whose effect is committed. */
  readonly seq: number;
}

export interface Subscription {
  readonly status: SubscriptionStatus;
  /** Tries the event that stopped the consumer again. Does nothing in another state. */
  resume(): void;
  /** Lets the running batch end, gives the lease back and resolves. Idempotent. */
  stop(): Promise<void>;
}

/**
 * The sealed log as a subscription: at least once, dense `seq` above the consumer's checkpoint, never a hole. One holder at a time by
 * lease; a holder that was presumed dead cannot commit, because its fencing number is checked with the checkpoint.
 */
export abstract class EventFeed {
  abstract subscribe(consumer: Consumer): Subscription;
}
