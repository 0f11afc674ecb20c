import { randomUUID } from 'node:crypto';
import { createOtlpHttpExportDelegate, httpAgentFactoryFromOptions } from '@opentelemetry/otlp-exporter-base/node-http';
import { VERSION } from '../version.js';
import { keepActiveSpan, withSpan } from './active-span.js';
import { RecordedSpan } from './recorded-span.js';
import type { TakeSpan } from './recorded-span.js';
import { spanFrame, spanJson } from './span-json.js';
import { SpanQueue } from './span-queue.js';
import type { SendSpans } from './span-queue.js';
import type { SpanCounts } from './telemetry.js';
import { Telemetry } from './telemetry.js';
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

/** Sends spans to an OpenTelemetry collector by OTLP over http, as JSON. Loaded only where it is used. */
export class OtlpTelemetry extends Telemetry {
  private readonly queue: SpanQueue;
  private readonly take: TakeSpan;

  constructor(private readonly options: OtlpOptions) {
    super();
    keepActiveSpan();
    const resource = { 'service.name': options.service, 'service.version': VERSION, 'service.instance.id': randomUUID() };
    this.queue = new SpanQueue(spanFrame(resource, { name: 'waybill', version: VERSION }), sender(options), options.onFailure ?? (() => undefined));
    this.take = (span) => this.queue.add(spanJson(span));
  }

  override get counts(): SpanCounts {
    return this.queue.counts;
  }

  override begin(name: string, traceparent: unknown, options: SpanOptions = {}): Span | undefined {
    if (!isTraceparent(traceparent)) return Math.random() < this.options.ratio ? new RecordedSpan(this.take, name, newTraceId(), undefined, options) : undefined;
    if (!isSampled(traceparent)) return undefined;
    return new RecordedSpan(this.take, name, traceparent.slice(3, 35), { id: traceparent.slice(36, 52), remote: true }, options);
  }

  override async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([this.queue.shutdown(), deadline]);
    clearTimeout(timer);
  }
}

/** The library's way to a collector, with its rules of what is sent again; what it sends is text already. */
function sender({ endpoint, headers }: OtlpOptions): SendSpans {
  const fields = { ...headersOf(headers), 'Content-Type': 'application/json' };
  const delegate = createOtlpHttpExportDelegate<Uint8Array, Record<string, never>>(
    {
      url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
      headers: () => Promise.resolve({ ...fields }),
      compression: 'none',
      timeoutMillis: EXPORT_MS,
      // the queue has its own, which is less
      concurrencyLimit: 30,
      agentFactory: httpAgentFactoryFromOptions({ keepAlive: true }),
    },
    { serializeRequest: (batch) => batch, deserializeResponse: () => ({}) },
    'otlp_http_span_exporter',
    { name: 'span', countItems: () => 1 },
    undefined,
  );
  // nobody's request: the batch that it fills has spans of many
  return (batch) => withSpan(undefined, () => new Promise((resolve, reject) => {
    delegate.export(batch, ({ code, error }) => (code === 0 ? resolve() : reject(error ?? new Error('the collector took too long, or refused the spans'))));
  }));
}

function headersOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]));
}
