import type { SealedEvent } from '@waybill/events';

/** Where the sealed log goes besides the database, in partitions of which each keeps its order. */
export interface EventOutlet {
  /** Names the checkpoint: another outlet, another topic, begins with the first event. */
  readonly name: string;
  /**
   * The right to publish: once it resolves, nothing that an earlier holder sends can follow. Throws whatever keeps it from that; OutletRefused where
   * the outlet is not as it must be, or no longer has what it acknowledged. @param acknowledged by partition
   */
  open(logId: string, acknowledged: ReadonlyMap<number, Acknowledged>): Promise<OpenOutlet>;
}

/** How far a partition of the outlet had come when it was written last. */
export interface Acknowledged {
  readonly seq: number;
  /** By the outlet's own count, of which what send() answers is the last; undefined where it was not noted down. */
  readonly end: number | undefined;
}

/** Waiting does not mend it, somebody has to look. The message is fit for a person. */
export class OutletRefused extends Error {
  override readonly name: string = 'OutletRefused';
}

export interface OpenOutlet {
  /** Cuts events, in the order of seq, into batches. `previous` is the last seq that went to each partition, and is moved along. */
  batches(events: readonly SealedEvent[], previous: Map<number, number>): OutletBatch[];
  close(): Promise<void>;
}

/** What is sent at once. */
export interface OutletBatch {
  readonly events: number;
  /** seq of the last event in it: the checkpoint once it is sent. */
  readonly lastSeq: number;
  /** The last seq of every partition that it touches. */
  readonly partitions: ReadonlyMap<number, number>;
  /**
   * All of it or nothing; resolves once it will survive a crash over there, with the end of each partition by the outlet's own count. Of a rejection
   * nobody knows the outcome: open again.
   */
  send(): Promise<ReadonlyMap<number, number>>;
}
