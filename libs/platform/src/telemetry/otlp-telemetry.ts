import { randomUUID } from 'node:crypto';
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import type { Context, Span as OtelSpan, Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { AlwaysOnSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import { VERSION } from '../version.js';
import { keepActiveSpan } from './active-span.js';
import { SpanQueue } from './span-queue.js';
import type { SpanCounts } from './telemetry.js';
import { Telemetry } from './telemetry.js';
import { errorType } from './span.js';
import type { Span, SpanKind as Kind, SpanOptions } from './span.js';
import { isSampled, isTraceparent } from './trace-context.js';

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

const KINDS: Readonly<Record<Kind, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};
/** Milliseconds for one batch, with the repetitions that the exporter makes. */
const EXPORT_MS = 5_000;
const CLOSE_MS = 2_000;

/** Sends spans to an OpenTelemetry collector by OTLP over http, as JSON. Loaded only where it is used: it and what it needs are 20 MB of memory. */
export class OtlpTelemetry extends Telemetry {
  private readonly queue: SpanQueue;
  private readonly tracer: Tracer;

  constructor(private readonly options: OtlpOptions) {
    super();
    keepActiveSpan();
    const exporter = new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/$/, '')}/v1/traces`, headers: headersOf(options.headers), timeoutMillis: EXPORT_MS });
    this.queue = new SpanQueue(exporter, EXPORT_MS, options.onFailure ?? (() => undefined));
    const provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': options.service, 'service.version': VERSION, 'service.instance.id': randomUUID() }),
      // the decision is made before there is a span
      sampler: new AlwaysOnSampler(),
      spanProcessors: [this.queue],
    });
    this.tracer = provider.getTracer('waybill', VERSION);
  }

  override get counts(): SpanCounts {
    return this.queue.counts;
  }

  override begin(name: string, traceparent: unknown, options: SpanOptions = {}): Span | undefined {
    if (!isTraceparent(traceparent)) return Math.random() < this.options.ratio ? new OtlpSpan(this.tracer, name, ROOT_CONTEXT, options) : undefined;
    if (!isSampled(traceparent)) return undefined;
    const remote = { traceId: traceparent.slice(3, 35), spanId: traceparent.slice(36, 52), traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return new OtlpSpan(this.tracer, name, trace.setSpanContext(ROOT_CONTEXT, remote), options);
  }

  override async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MS)));
    await Promise.race([this.queue.shutdown().catch(() => undefined), deadline]);
    clearTimeout(timer);
  }
}

class OtlpSpan implements Span {
  ended = false;
  private readonly span: OtelSpan;

  constructor(private readonly tracer: Tracer, name: string, parent: Context, { kind = 'internal', attributes, startedAt }: SpanOptions) {
    this.span = tracer.startSpan(name, { kind: KINDS[kind], attributes, startTime: startedAt }, parent);
  }

  get traceparent(): string {
    const { traceId, spanId } = this.span.spanContext();
    return `00-${traceId}-${spanId}-01`;
  }

  child(name: string, options: SpanOptions = {}): Span {
    return new OtlpSpan(this.tracer, name, trace.setSpan(ROOT_CONTEXT, this.span), options);
  }

  rename(name: string): void {
    this.span.updateName(name);
  }

  set(name: string, value: string | number): void {
    this.span.setAttribute(name, value);
  }

  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    if (error !== undefined) {
      this.span.setAttribute('error.type', errorType(error));
      this.span.setStatus({ code: SpanStatusCode.ERROR });
    }
    // given, because a span whose beginning was given would else end by the clock of the system, in whole milliseconds
    this.span.end(performance.now());
  }
}

function headersOf(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').filter((pair) => pair.includes('='));
  return Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')).trim(), pair.slice(pair.indexOf('=') + 1).trim()]));
}
