import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { RequestKind } from '@waybill/oci';
import { within } from './health.js';

/** Seconds. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;
const READ_DEADLINE_MS = 2_000;
const LOOP_DELAY_INTERVAL_MS = 50;

export type Labels = Readonly<Record<string, string>>;
/** Read at the time of a scrape; a rejection or two seconds of silence leaves the sample out. */
export type ReadValue = () => number | Promise<number>;

interface Kind {
  /** By status code. */
  readonly codes: Map<number, number>;
  /** Requests whose time fell into each bucket, the last beyond all; summed up only when scraped. */
  readonly buckets: Float64Array;
  seconds: number;
}

interface Source {
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: { readonly labels: Labels; readonly read: ReadValue }[];
}

/** Numbers about this process in the Prometheus text format (version 0.0.4). Counting costs some tens of nanoseconds. */
export class Metrics {
  private readonly kinds = new Map<RequestKind | 'unparsed', Kind>();
  private readonly clientErrors = new Map<string, number>();
  private readonly sources = new Map<string, Source>();
  private readonly loopDelay = monitorEventLoopDelay({ resolution: LOOP_DELAY_INTERVAL_MS });

  constructor() {
    this.loopDelay.enable();
    this.gauge('process_resident_memory_bytes', 'Resident set size.', () => process.memoryUsage.rss());
    this.gauge('process_start_time_seconds', 'Start of the process, as Unix time.', () => performance.timeOrigin / 1000);
    this.counter('process_cpu_seconds_total', 'User and system time.', () => (process.cpuUsage().user + process.cpuUsage().system) / 1e6);
    this.gauge('nodejs_heap_used_bytes', 'Live and dead objects in the heap.', () => process.memoryUsage().heapUsed);
    this.gauge('nodejs_event_loop_delay_seconds', 'Lag of the event loop since the last scrape.', () => lag(this.loopDelay.percentile(99)), { quantile: '0.99' });
    this.gauge('nodejs_event_loop_delay_seconds', 'Lag of the event loop since the last scrape.', () => lag(this.loopDelay.max), { quantile: '1' });
  }

  /** On the way of every `/v2/` request. `kind` is undefined where the request could not be parsed. */
  observe(kind: RequestKind | undefined, status: number, milliseconds: number): void {
    const name = kind ?? 'unparsed';
    let of = this.kinds.get(name);
    if (of === undefined) this.kinds.set(name, (of = { codes: new Map(), buckets: new Float64Array(BUCKETS.length + 1), seconds: 0 }));
    of.codes.set(status, (of.codes.get(status) ?? 0) + 1);
    const seconds = milliseconds / 1000;
    let bucket = 0;
    for (const bound of BUCKETS) {
      if (seconds <= bound) break;
      bucket++;
    }
    of.buckets[bucket] = (of.buckets[bucket] ?? 0) + 1;
    of.seconds += seconds;
  }

  clientError(reason: string): void {
    this.clientErrors.set(reason, (this.clientErrors.get(reason) ?? 0) + 1);
  }

  /** A value that goes up and down. The same name may be given again with other labels. */
  gauge(name: string, help: string, read: ReadValue, labels: Labels = {}): void {
    this.add('gauge', name, help, read, labels);
  }

  /** A value that only goes up while the process lives, kept by its owner; its name ends in `_total`. */
  counter(name: string, help: string, read: ReadValue, labels: Labels = {}): void {
    this.add('counter', name, help, read, labels);
  }

  private add(type: Source['type'], name: string, help: string, read: ReadValue, labels: Labels): void {
    const source = this.sources.get(name) ?? { type, help, samples: [] };
    if (source.type !== type) throw new Error(`the metric ${name} is a ${source.type} already`);
    source.samples.push({ labels, read });
    this.sources.set(name, source);
  }

  /** Everything, ready to be sent. */
  async scrape(): Promise<string> {
    const lines = [...this.requestLines(), ...this.clientErrorLines()];
    const sources = await Promise.all([...this.sources].map(([name, source]) => sourceLines(name, source)));
    this.loopDelay.reset();
    return `${[...lines, ...sources.flat()].join('\n')}\n`;
  }

  private requestLines(): string[] {
    const counts: string[] = head('waybill_http_requests_total', 'counter', 'Requests below /v2/ by kind and status.');
    const times: string[] = head('waybill_http_request_seconds', 'histogram', 'Time until the handler of a /v2/ request was done.');
    for (const [kind, { codes, buckets, seconds }] of this.kinds) {
      for (const [code, count] of codes) counts.push(sample('waybill_http_requests_total', { kind, code: String(code) }, count));
      let sum = 0;
      buckets.forEach((count, index) => {
        sum += count;
        times.push(sample('waybill_http_request_seconds_bucket', { kind, le: String(BUCKETS[index] ?? '+Inf') }, sum));
      });
      times.push(sample('waybill_http_request_seconds_sum', { kind }, seconds), sample('waybill_http_request_seconds_count', { kind }, sum));
    }
    return [...counts, ...times];
  }

  private clientErrorLines(): string[] {
    const lines = head('waybill_http_client_errors_total', 'counter', 'Connections refused or cut because of what the client did.');
    for (const [reason, count] of this.clientErrors) lines.push(sample('waybill_http_client_errors_total', { reason }, count));
    return lines;
  }
}

/** Seconds by which a tick came late; node counts the whole time between two ticks, in nanoseconds. */
function lag(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - LOOP_DELAY_INTERVAL_MS / 1000);
}

async function sourceLines(name: string, { type, help, samples }: Source): Promise<string[]> {
  const values = await Promise.allSettled(samples.map(async ({ read }) => within(READ_DEADLINE_MS, name, Promise.resolve(read()))));
  const lines = head(name, type, help);
  values.forEach((value, index) => {
    if (value.status === 'fulfilled') lines.push(sample(name, samples[index]?.labels ?? {}, value.value));
  });
  return lines;
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${Number.isNaN(value) ? 'NaN' : value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)}`;
}
