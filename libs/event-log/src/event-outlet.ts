import type { SealedEvent } from '@waybill/events';

/** Where the sealed log goes besides the database, in partitions of which each keeps its order. */
export interface EventOutlet {
  /** Names the checkpoint: another outlet, another topic, begins with the first event. */
  readonly name: string;
  /** The right to publish: once it resolves, nothing that an earlier holder sends can follow. Throws whatever keeps it from that. */
  open(logId: string): Promise<OpenOutlet>;
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
  /** All of it or nothing; resolves once it will survive a crash over there. Of a rejection nobody knows the outcome: open again. */
  send(): Promise<void>;
}
