import { randomUUID } from 'node:crypto';
import { TraceFlags } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { VERSION } from '../version.js';
import { keepActiveSpan } from './active-span.js';
import { SpanQueue } from './span-queue.js';
import type { SpanCounts } from './telemetry.js';
import { Telemetry } from './telemetry.js';
import { RecordedSpan } from './recorded-span.js';
import type { Recorder } from './recorded-span.js';
import type { Span, SpanOptions } from './span.js';
import { isSampled, isTraceparent, newTraceId } from './trace-context.js';

export interface OtlpOptions {
  /** Of the collector, over http; `/v1/traces` is appended. */
  readonly endpoint: string;
  /** Share of the traces that begin here and are recorded, 0 to 1. */
  readonly ratio: number;
  /** `service.name` */
  readonly service: string;
  /** For every request to the collector: name=value, separated by commas. */
  readonly headers?: string | undefined;
  /** Told of a batch that the collector did not take, once a minute at most. */
  readonly onFailure?: (error: unknown) => void;
}

/** Milliseconds for one batch, with the repetitions that the exporter makes. */
const EXPORT_MS = 5_000;
const CLOSE_MS = 2_000;

/** Sends spans to an OpenTelemetry collector by OTLP over http, as JSON. Loaded only where it is used: it and what it needs are 20 MB of memory. */
export class OtlpTelemetry extends Telemetry {
  private readonly queue: SpanQueue;
  private readonly recorder: Recorder;

  constructor(private readonly options: OtlpOptions) {
    super();
    keepActiveSpan();
    const exporter = new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/$/, '')}/v1/traces`, headers: headersOf(options.headers), timeoutMillis: EXPORT_MS });
    this.queue = new SpanQueue(exporter, EXPORT_MS, options.onFailure ?? (() => undefined));
    this.recorder = {
      resource: resourceFromAttributes({ 'service.name': options.service, 'service.version': VERSION, 'service.instance.id': randomUUID() }),
      scope: { name: 'waybill', version: VERSION },
      take: (span) => this.queue.add(span),
    };
  }

  override get counts(): SpanCounts {
    return this.queue.counts;
  }

  override begin(name: string, traceparent: unknown, options: SpanOptions = {}): Span | undefined {
    if (!isTraceparent(traceparent)) return Math.random() < this.options.ratio ? new RecordedSpan(this.recorder, name, newTraceId(), undefined, options) : undefined;
    if (!isSampled(traceparent)) return undefined;
    const sender = { traceId: traceparent.slice(3, 35), spanId: traceparent.slice(36, 52), traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return new RecordedSpan(this.recorder, name, sender.traceId, sender, options);
  }

  override async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([this.queue.shutdown().catch(() => undefined), deadline]);
    clearTimeout(timer);
  }
}

function headersOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]));
}
