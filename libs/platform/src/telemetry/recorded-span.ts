import { errorType } from './span.js';
import type { Span, SpanAttributes, SpanOptions } from './span.js';
import { newSpanId } from './trace-context.js';

/** Of which span another one is the child. */
export interface SpanParent {
  /** 16 digits. */
  readonly id: string;
  /** It is of another process. */
  readonly remote: boolean;
}

/** A span as it is told: what happened, from when to when. */
export interface SpanRecord {
  readonly name: string;
  readonly kind: NonNullable<SpanOptions['kind']>;
  readonly traceId: string;
  readonly id: string;
  readonly parent: SpanParent | undefined;
  /** Milliseconds of performance.now(). */
  readonly from: number;
  readonly to: number;
  readonly attributes: SpanAttributes;
  readonly failed: boolean;
}

/** Takes a span that has ended. It must not be kept. */
export type TakeSpan = (span: SpanRecord) => void;

/** A span of a trace that is recorded. It is told once, when it ends, and is garbage from then on: what waits for the collector is text (span-json.ts). */
export class RecordedSpan implements Span, SpanRecord {
  readonly kind: NonNullable<SpanOptions['kind']>;
  readonly id = newSpanId();
  readonly from: number;
  to = 0;
  ended = false;
  failed = false;
  readonly attributes: Record<string, string | number>;

  constructor(private readonly take: TakeSpan, public name: string, readonly traceId: string, readonly parent: SpanParent | undefined, { kind = 'internal', attributes, startedAt }: SpanOptions) {
    this.kind = kind;
    this.from = startedAt ?? performance.now();
    this.attributes = { ...attributes };
  }

  get traceparent(): string {
    return `00-${this.traceId}-${this.id}-01`;
  }

  child(name: string, options: SpanOptions = {}): Span {
    return new RecordedSpan(this.take, name, this.traceId, { id: this.id, remote: false }, options);
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
      this.failed = true;
    }
    this.to = performance.now();
    this.take(this);
  }
}
