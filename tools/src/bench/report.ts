import type { RowResult } from './measure.js';
import type { Metric, Target } from './row.js';
import type { Contender } from './server.js';
import { median, spread } from './statistics.js';

/** Median of a figure over the rounds of a column; undefined where the column failed, took no part, or has no such figure. */
function figure(result: RowResult, column: string, key: string): { value: number; spread: number; values: readonly number[] } | undefined {
  const rounds = result.columns.get(column);
  if (rounds === undefined || typeof rounds === 'string') return undefined;
  const values = rounds.flatMap((figures) => figures[key] ?? []);
  return values.length === 0 ? undefined : { value: median(values), spread: spread(values), values };
}

function cell(result: RowResult, column: string, metric: Metric): string {
  if (typeof result.columns.get(column) === 'string') return 'failed';
  const found = figure(result, column, metric.key);
  if (found === undefined) return '';
  const bound = metric.key === 'rate' && (figure(result, column, 'busy')?.value ?? 0) > 0.9 ? '\\*' : '';
  const noise = found.spread > 0 ? ` ±${Math.round(found.spread * 100)}%` : '';
  const best = metric.better === 'lower' ? Math.min(...found.values) : Math.max(...found.values);
  return `${found.value.toFixed(metric.digits)}${bound}${noise}${metric.showBest === true && found.spread > 0 ? ` (best ${best.toFixed(metric.digits)})` : ''}`;
}

/** The column of the peer that a target is held against, in this metric. */
function peerColumn(result: RowResult, contenders: readonly Contender[], against: Target['against'], metric: Metric): string | undefined {
  const kinds = against === 'best' ? ['distribution', 'zot'] : [against];
  const peers = contenders
    .filter(({ kind }) => kinds.includes(kind))
    .flatMap(({ name }) => {
      const value = figure(result, name, metric.key)?.value;
      return value === undefined ? [] : [{ name, value }];
    })
    .sort((a, b) => (metric.better === 'lower' ? a.value - b.value : b.value - a.value));
  return against === 'zot' ? peers.find(({ name }) => name === 'zot')?.name : peers[0]?.name;
}

function ratioToBest(result: RowResult, contenders: readonly Contender[], column: string, metric: Metric): string {
  const peer = peerColumn(result, contenders, 'best', metric);
  const ours = figure(result, column, metric.key)?.value;
  const theirs = peer === undefined ? undefined : figure(result, peer, metric.key)?.value;
  return ours === undefined || theirs === undefined ? '' : `${(ours / theirs).toFixed(2)}x`;
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The table of medians: a line for each figure, a column for each registry, and each of ours against the better of Distribution and zot. */
export function medianTable(results: readonly RowResult[], contenders: readonly Contender[]): string {
  const ours = contenders.filter(({ kind }) => kind === 'ours');
  const header = ['operation', 'figure', ...contenders.map(({ name }) => name), ...ours.map(({ name }) => `${name} / best`)];
  const lines = results.flatMap((result) =>
    result.row.metrics
      .filter((metric) => contenders.some(({ name }) => figure(result, name, metric.key) !== undefined || typeof result.columns.get(name) === 'string'))
      .map((metric, i) =>
        line([
          i === 0 ? `${result.row.title} (\`${result.row.name}\`)${result.pinned ? ' †' : ''}` : '',
          metric.label,
          ...contenders.map(({ name }) => cell(result, name, metric)),
          ...ours.map(({ name }) => ratioToBest(result, contenders, name, metric)),
        ]),
      ),
  );
  return [line(header), line(header.map((_, i) => (i < 2 ? '---' : '---:'))), ...lines].join('\n');
}

interface Verdict {
  readonly met: boolean;
  readonly text: string;
}

/** The figure as the target counts it: a ratio to its peer, or as it is. undefined where either has none. */
function measured(result: RowResult, contenders: readonly Contender[], column: string, target: Target, metric: Metric): { value: number; peer: string } | undefined {
  const value = figure(result, column, metric.key)?.value;
  if (value === undefined) return undefined;
  if (target.against === 'itself') return { value, peer: '' };
  const peer = peerColumn(result, contenders, target.against, metric);
  const theirs = peer === undefined ? undefined : figure(result, peer, metric.key)?.value;
  return peer === undefined || theirs === undefined ? undefined : { value: value / theirs, peer: ` x ${peer}` };
}

function judge(result: RowResult, contenders: readonly Contender[], column: string, target: Target): Verdict | undefined {
  const metric = result.row.metrics.find(({ key }) => key === target.metric);
  const found = metric && measured(result, contenders, column, target, metric);
  if (metric === undefined || found === undefined) return undefined;
  const { atMost = Number.POSITIVE_INFINITY, atLeast = Number.NEGATIVE_INFINITY } = target;
  const met = found.value <= atMost && found.value >= atLeast;
  const bound = target.atMost === undefined ? `at least ${atLeast.toFixed(2)}` : `at most ${atMost.toFixed(2)}`;
  return { met, text: line([`\`${result.row.name}\``, metric.label, `${bound}${found.peer}`, found.value.toFixed(2), met ? 'met' : '**missed**']) };
}

/** Each target with what was measured, for the first of ours; empty where ours took no part. */
export function targetTable(results: readonly RowResult[], contenders: readonly Contender[]): string {
  const ours = contenders.find(({ kind }) => kind === 'ours');
  if (ours === undefined) return '';
  const verdicts = results.flatMap((result) => result.row.targets.flatMap((target) => judge(result, contenders, ours.name, target) ?? []));
  if (verdicts.length === 0) return '';
  const met = verdicts.filter((verdict) => verdict.met).length;
  return [`${met} of ${verdicts.length} targets met.`, '', line(['operation', 'figure', 'target', 'measured', '']), line(['---', '---', '---', '---:', '---']), ...verdicts.map(({ text }) => text)].join('\n');
}

/** What the generator itself used: CPU microseconds a request, lowest and highest median, over the rows bound to a core. */
export function generatorCost(results: readonly RowResult[]): string {
  const costs = results
    .filter(({ pinned }) => pinned)
    .flatMap((result) => [...result.columns.keys()].flatMap((column) => figure(result, column, 'generator')?.value ?? []));
  if (costs.length === 0) return '';
  return `The load generator itself used ${Math.min(...costs).toFixed(0)} to ${Math.max(...costs).toFixed(0)} CPU µs a request (median ${median(costs).toFixed(0)}).`;
}
