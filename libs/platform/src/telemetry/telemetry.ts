import type { Config } from '../config/config-tree.js';
import type { Logger } from '../http/logging.js';
import { endWith } from './active-span.js';
import type { Span, SpanOptions } from './span.js';

/** What became of the spans that were ended in this process. */
export interface SpanCounts {
  /** The collector has taken them. */
  readonly exported: number;
  /** The collector did not, or not in time. */
  readonly failed: number;
  /** More were waiting than may wait. */
  readonly dropped: number;
}

/** Where traces enter a process, and leave it for the collector. */
export abstract class Telemetry {
  abstract readonly counts: SpanCounts;

  /**
   * The span of work that came from outside; undefined where its trace is not recorded. Whether it is, the sender has decided where `traceparent` is
   * well-formed, and else the configured ratio does, before anything is made.
   * @param traceparent as it came; a new trace begins where it is not well-formed
   */
  abstract begin(name: string, traceparent: unknown, options?: SpanOptions): Span | undefined;

  /** Sends what waits, for two seconds at most. Never rejects. */
  abstract close(): Promise<void>;

  /** `begin`, around the work: SQL and storage calls in it become its children. The work gets the span, to say more or to pass `traceparent` on. */
  span<T>(name: string, traceparent: unknown, options: SpanOptions, work: (span: Span | undefined) => Promise<T>): Promise<T> {
    const span = this.begin(name, traceparent, options);
    return span === undefined ? work(undefined) : endWith(span, () => work(span));
  }

  /** Work that is done already, told after it: of each of many that were done at once. @param startedAt of performance.now() */
  record(name: string, traceparent: unknown, options: SpanOptions & { readonly startedAt: number }, error?: unknown): void {
    this.begin(name, traceparent, options)?.end(error);
  }
}

class Off extends Telemetry {
  override readonly counts: SpanCounts = { exported: 0, failed: 0, dropped: 0 };

  override begin(): undefined {
    return undefined;
  }

  override close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Records nothing and costs nothing. */
export const NO_TELEMETRY: Telemetry = new Off();

/** As configured. The library that exports is loaded only where traces are recorded. @param role the process by its work, for the name of the service: `gateway` */
export async function openTelemetry({ endpoint, ratio, name, headers }: Config['telemetry'], role: string, logger: Logger): Promise<Telemetry> {
  if (endpoint === undefined) return NO_TELEMETRY;
  const { OtlpTelemetry } = await import('./otlp-telemetry.js');
  return new OtlpTelemetry({ endpoint, ratio, service: `${name}-${role}`, headers: headers?.reveal(), onFailure: (err) => logger.warn({ err }, 'traces could not be sent; they are lost') });
}
