import { SpanKind, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { Attributes, HrTime, SpanContext, SpanStatus } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { errorType } from './span.js';
import type { Span, SpanKind as Kind, SpanOptions } from './span.js';
import { newSpanId } from './trace-context.js';

/** What all spans of a process share. */
export interface Recorder {
  readonly resource: Resource;
  readonly scope: ReadableSpan['instrumentationScope'];
  /** Takes a span that has ended. */
  readonly take: (span: ReadableSpan) => void;
}

const KINDS: Readonly<Record<Kind, SpanKind>> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};
const UNSET: SpanStatus = { code: SpanStatusCode.UNSET };
const FAILED: SpanStatus = { code: SpanStatusCode.ERROR };
const NONE: never[] = [];

/**
 * A span as the library's queue and exporter read it. The library's own makes some forty objects of each, most of them to leave every decision open
 * that is made here already; spans wait for the exporter, so what they are made of is what the garbage collector has to carry.
 */
export class RecordedSpan implements Span, ReadableSpan {
  readonly kind: SpanKind;
  readonly startTime: HrTime;
  readonly attributes: Attributes;
  readonly links = NONE;
  readonly events = NONE;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  status = UNSET;
  ended = false;
  endTime: HrTime;
  private readonly context: SpanContext;

  constructor(private readonly recorder: Recorder, public name: string, traceId: string, readonly parentSpanContext: SpanContext | undefined, { kind = 'internal', attributes, startedAt }: SpanOptions) {
    this.kind = KINDS[kind];
    this.startTime = timeOf(startedAt ?? performance.now());
    this.endTime = this.startTime;
    this.attributes = { ...attributes };
    this.context = { traceId, spanId: newSpanId(), traceFlags: TraceFlags.SAMPLED };
  }

  get traceparent(): string {
    return `00-${this.context.traceId}-${this.context.spanId}-01`;
  }

  get resource(): Resource {
    return this.recorder.resource;
  }

  get instrumentationScope(): ReadableSpan['instrumentationScope'] {
    return this.recorder.scope;
  }

  get duration(): HrTime {
    const nanoseconds = (this.endTime[0] - this.startTime[0]) * 1e9 + this.endTime[1] - this.startTime[1];
    return [Math.floor(nanoseconds / 1e9), nanoseconds % 1e9];
  }

  spanContext(): SpanContext {
    return this.context;
  }

  child(name: string, options: SpanOptions = {}): Span {
    return new RecordedSpan(this.recorder, name, this.context.traceId, this.context, options);
  }

  rename(name: string): void {
    this.name = name;
  }

  set(name: string, value: string | number): void {
    this.attributes[name] = value;
  }

  end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    if (error !== undefined) {
      this.attributes['error.type'] = errorType(error);
      this.status = FAILED;
    }
    this.endTime = timeOf(performance.now());
    this.recorder.take(this);
  }
}

/** @param milliseconds of performance.now() */
function timeOf(milliseconds: number): HrTime {
  const unix = performance.timeOrigin + milliseconds;
  const seconds = Math.floor(unix / 1000);
  return [seconds, Math.round((unix - seconds * 1000) * 1e6)];
}
