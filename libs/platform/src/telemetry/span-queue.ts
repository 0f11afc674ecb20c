import type { SpanCounts } from './telemetry.js';

/** Takes a batch to the collector. Rejects where that did not take it, or not in time. */
export type SendSpans = (batch: Uint8Array) => Promise<void>;

/** Spans that may wait for the collector, those on their way to it included: 4 MB or so. Beyond it they are dropped. */
const CAPACITY = 4096;
const BATCH = 256;
/** Of a batch's text; a span has 400 to 1000. */
const BATCH_BYTES = 256 * 1024;
const EVERY_MS = 1_000;
/** Batches under way at once. */
const SENDING = 4;
const COMPLAIN_EVERY_MS = 60_000;

/** The text of some spans, in memory that the garbage collector does not look at. */
interface Batch {
  readonly bytes: Buffer;
  length: number;
  spans: number;
}

/**
 * Where spans wait for the collector. They wait as text, because whatever objects wait for a second are copied by the collector of garbage, twice, and
 * then have to be found again: that cost a request more than its spans did.
 */
export class SpanQueue {
  private batch: Batch | undefined;
  private readonly full: Batch[] = [];
  /** Buffers of batches that the collector has taken. */
  private readonly spare: Buffer[] = [];
  private readonly sending = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private waiting = 0;
  private exported = 0;
  private failed = 0;
  private dropped = 0;
  private complainedAt = -Infinity;

  /** @param frame what stands before and behind the spans of a batch, which are separated by commas */
  constructor(private readonly frame: { readonly head: string; readonly tail: string }, private readonly send: SendSpans, private readonly onFailure: (error: unknown) => void) {}

  get counts(): SpanCounts {
    return { exported: this.exported, failed: this.failed, dropped: this.dropped };
  }

  add(json: string): void {
    // three bytes a character at most, and a comma
    const room = json.length * 3 + 1;
    if (this.waiting >= CAPACITY || room > BATCH_BYTES / 2) {
      this.dropped += 1;
      return;
    }
    if (this.batch !== undefined && this.batch.length + room + this.frame.tail.length > BATCH_BYTES) this.close();
    const batch = (this.batch ??= this.begin());
    if (batch.spans > 0) batch.length += batch.bytes.write(',', batch.length, 'latin1');
    batch.length += batch.bytes.write(json, batch.length);
    batch.spans += 1;
    this.waiting += 1;
    if (batch.spans === BATCH) this.close();
  }

  /** Sends what waits. Never rejects. */
  async shutdown(): Promise<void> {
    this.close();
    while (this.sending.size > 0) await Promise.all(this.sending);
  }

  private begin(): Batch {
    this.timer ??= setTimeout(() => this.close(), EVERY_MS).unref();
    const bytes = this.spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    return { bytes, length: bytes.write(this.frame.head), spans: 0 };
  }

  private close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const { batch } = this;
    if (batch === undefined) return;
    this.batch = undefined;
    batch.length += batch.bytes.write(this.frame.tail, batch.length);
    this.full.push(batch);
    this.sendNext();
  }

  private sendNext(): void {
    while (this.sending.size < SENDING) {
      const batch = this.full.shift();
      if (batch === undefined) return;
      const sent = this.sendOne(batch).finally(() => {
        this.sending.delete(sent);
        this.sendNext();
      });
      this.sending.add(sent);
    }
  }

  private async sendOne({ bytes, length, spans }: Batch): Promise<void> {
    try {
      await this.send(bytes.subarray(0, length));
      this.exported += spans;
      // after a failure the socket may still have it
      if (this.spare.length < SENDING) this.spare.push(bytes);
    } catch (error) {
      this.failed += spans;
      this.complain(error);
    } finally {
      this.waiting -= spans;
    }
  }

  private complain(error: unknown): void {
    if (performance.now() - this.complainedAt < COMPLAIN_EVERY_MS) return;
    this.complainedAt = performance.now();
    this.onFailure(error);
  }
}
