import { errorCode } from '../error-code.js';

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** Names of OpenTelemetry's semantic conventions where there is one, else `waybill.*`. Nothing that authorizes somebody: traces are read by more people than logs. */
export type SpanAttributes = Readonly<Record<string, string | number>>;

export interface SpanOptions {
  readonly kind?: SpanKind;
  readonly attributes?: SpanAttributes;
  /** When the work began, of performance.now(); now unless given. */
  readonly startedAt?: number;
}

/** One piece of work of a trace that is recorded. There is none for a trace that is not. */
export interface Span {
  /** What tells the next process whose child its work is. */
  readonly traceparent: string;
  readonly ended: boolean;
  child(name: string, options?: SpanOptions): Span;
  rename(name: string): void;
  set(name: string, value: string | number): void;
  /** Must be called once. @param error what the work failed of: its class or code is told, and not its text, which may name what callers sent */
  end(error?: unknown): void;
}

/** Work that several requests wait for at once, told in the trace of each that is recorded. */
export class SharedSpan implements Span {
  ended = false;

  /** @param spans one at least. @param shared how many requests wait, recorded or not; told of each piece of the work */
  constructor(private readonly spans: readonly Span[], private readonly shared: number) {}

  /** Only one trace can go on: the first. */
  get traceparent(): string {
    return this.spans[0]?.traceparent ?? '';
  }

  child(name: string, options?: SpanOptions): Span {
    const children = this.spans.filter((span) => !span.ended).map((span) => span.child(name, options));
    for (const child of children) child.set('waybill.shared_by', this.shared);
    return new SharedSpan(children, this.shared);
  }

  rename(name: string): void {
    for (const span of this.spans) span.rename(name);
  }

  set(name: string, value: string | number): void {
    for (const span of this.spans) span.set(name, value);
  }

  end(error?: unknown): void {
    this.ended = true;
    for (const span of this.spans) span.end(error);
  }
}

/** The attribute error.type of a failed span. */
export function errorType(error: unknown): string {
  return errorCode(error) ?? (error instanceof Error ? error.name : 'unknown');
}
