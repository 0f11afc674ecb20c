import type { RequestKind } from '@waybill/oci';
import type { EndpointKind } from '../http/endpoints.js';
import { within } from '../http/health.js';
import { METRICS, metricDefinition } from './catalogue.js';
import type { MetricName, MetricOf } from './catalogue.js';
import { addProcessMetrics } from './process-metrics.js';
import { Counts, Histogram, Times } from './series.js';

/** Longer than the checks of the readiness may take, which are read too. */
const READ_DEADLINE_MS = 3_000;

export type Labels = Readonly<Record<string, string>>;
/** Read at the time of a scrape; a rejection or three seconds of silence leaves the sample out. */
export type ReadValue = () => number | Promise<number>;

interface Kind {
  /** By status code. */
  readonly codes: Map<number, number>;
  readonly times: Times;
}

/** One metric of this process, and how its lines come about. */
type Source =
  | { readonly samples: { readonly labels: Labels; readonly read: ReadValue }[] }
  | { readonly counts: Counts }
  | { readonly histogram: Histogram };

const REQUEST_BOUNDS = METRICS.waybill_http_request_seconds.bounds;

/** Numbers about this process in the Prometheus text format (version 0.0.4), by the names of the catalogue. */
export class Metrics {
  private readonly kinds = new Map<RequestKind | EndpointKind | 'unparsed', Kind>();
  private readonly sources = new Map<MetricName, Source>();
  private readonly clientErrors: Counts;
  private readonly scraped: () => void;

  /** @param roles of this process, as people read them */
  constructor(roles = '') {
    this.clientErrors = this.counts('waybill_http_client_errors_total');
    this.scraped = addProcessMetrics(this, roles);
  }

  /** On the way of every `/v2/` request, and of those to the endpoints beside it. `kind` is undefined where the request could not be parsed. */
  observe(kind: RequestKind | EndpointKind | undefined, status: number, milliseconds: number): void {
    const name = kind ?? 'unparsed';
    let of = this.kinds.get(name);
    if (of === undefined) this.kinds.set(name, (of = { codes: new Map(), times: new Times(REQUEST_BOUNDS) }));
    of.codes.set(status, (of.codes.get(status) ?? 0) + 1);
    of.times.observe(milliseconds / 1000);
  }

  clientError(reason: string): void {
    this.clientErrors.add(reason);
  }

  /** A value that goes up and down. The same name may be given again with other labels. */
  gauge(name: MetricOf<'gauge'>, read: ReadValue, labels: Labels = {}): void {
    this.sample(name, read, labels);
  }

  /** A value that only goes up while the process lives, kept by its owner. */
  counter(name: MetricOf<'counter'>, read: ReadValue, labels: Labels = {}): void {
    this.sample(name, read, labels);
  }

  /** A counter with one label that is kept here. */
  counts(name: MetricOf<'counter'>): Counts {
    const counts = new Counts();
    this.sources.set(name, { counts });
    return counts;
  }

  /** A histogram with one label. */
  histogram(name: MetricOf<'histogram'>): Histogram {
    const histogram = new Histogram(METRICS[name].bounds);
    this.sources.set(name, { histogram });
    return histogram;
  }

  private sample(name: MetricName, read: ReadValue, labels: Labels): void {
    const source = this.sources.get(name);
    if (source !== undefined && 'samples' in source) source.samples.push({ labels, read });
    else this.sources.set(name, { samples: [{ labels, read }] });
  }

  /** Everything, ready to be sent. */
  async scrape(): Promise<string> {
    const sources = await Promise.all([...this.sources].map(async ([name, source]) => [...head(name), ...(await linesOf(name, source))]));
    this.scraped();
    return `${[...this.requestLines(), ...sources.flat()].join('\n')}\n`;
  }

  private requestLines(): string[] {
    const counts: string[] = head('waybill_http_requests_total');
    const times: string[] = head('waybill_http_request_seconds');
    for (const [kind, of] of this.kinds) {
      for (const [code, count] of of.codes) counts.push(line('waybill_http_requests_total', { kind, code: String(code) }, count));
      times.push(...bucketLines('waybill_http_request_seconds', { kind }, REQUEST_BOUNDS, of.times));
    }
    return [...counts, ...times];
  }
}

async function linesOf(name: MetricName, source: Source): Promise<string[]> {
  const [label = ''] = metricDefinition(name).labels ?? [];
  if ('counts' in source) return [...source.counts.values].map(([value, count]) => line(name, { [label]: value }, count));
  if ('histogram' in source) return [...source.histogram.values].flatMap(([value, times]) => bucketLines(name, { [label]: value }, source.histogram.bounds, times));
  const values = await Promise.allSettled(source.samples.map(async ({ read }) => within(READ_DEADLINE_MS, name, Promise.resolve(read()))));
  return values.flatMap((value, index) => (value.status === 'fulfilled' ? [line(name, source.samples[index]?.labels ?? {}, value.value)] : []));
}

function bucketLines(name: string, labels: Labels, bounds: readonly number[], { buckets, seconds }: Times): string[] {
  let sum = 0;
  const lines = [...buckets].map((count, index) => {
    sum += count;
    return line(`${name}_bucket`, { ...labels, le: String(bounds[index] ?? '+Inf') }, sum);
  });
  return [...lines, line(`${name}_sum`, labels, seconds), line(`${name}_count`, labels, sum)];
}

function head(name: MetricName): string[] {
  const { type, help } = METRICS[name];
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${Number.isNaN(value) ? 'NaN' : value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)}`;
}
