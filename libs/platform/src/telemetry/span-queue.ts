import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { SpanCounts } from './telemetry.js';

/** Spans that may wait for the collector, those on their way to it included: 4 MB or so. Beyond it they are dropped. */
const CAPACITY = 4096;
const BATCH = 256;
const EVERY_MS = 1_000;
const COMPLAIN_EVERY_MS = 60_000;

type Exported = Parameters<SpanExporter['export']>[1];

/** The library's queue, bounded and counted: it tells nobody what it drops. */
export class SpanQueue {
  private readonly inner: BatchSpanProcessor;
  private waiting = 0;
  private exported = 0;
  private failed = 0;
  private dropped = 0;
  private complainedAt = -Infinity;

  /** @param exportMs what `exporter` takes for a batch at most */
  constructor(private readonly exporter: SpanExporter, exportMs: number, private readonly onFailure: (error: unknown) => void) {
    const counting: SpanExporter = {
      export: (spans, done) => this.export(spans, done),
      shutdown: () => exporter.shutdown(),
    };
    // twice its own limits: ours come first, so that every span is counted
    this.inner = new BatchSpanProcessor({ exporter: counting, maxQueueSize: 2 * CAPACITY, maxExportBatchSize: BATCH, scheduledDelayMillis: EVERY_MS, exportTimeoutMillis: 2 * exportMs });
  }

  get counts(): SpanCounts {
    return { exported: this.exported, failed: this.failed, dropped: this.dropped };
  }

  add(span: ReadableSpan): void {
    if (this.waiting >= CAPACITY) {
      this.dropped += 1;
      return;
    }
    this.waiting += 1;
    this.inner.onEnd(span);
  }

  /** Sends what waits. */
  shutdown(): Promise<void> {
    return this.inner.shutdown();
  }

  private export(spans: ReadableSpan[], done: Exported): void {
    this.exporter.export(spans, (result) => {
      this.waiting -= spans.length;
      if (result.code === 0) this.exported += spans.length;
      else this.complain(spans.length, result.error);
      done(result);
    });
  }

  private complain(count: number, error: unknown): void {
    this.failed += count;
    if (performance.now() - this.complainedAt < COMPLAIN_EVERY_MS) return;
    this.complainedAt = performance.now();
    this.onFailure(error);
  }
}
