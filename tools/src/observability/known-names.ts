import { metricDefinition, metricNames } from '@waybill/platform';
import type { MetricDefinition } from '@waybill/platform';
import { referencesOf } from './promql.js';

/** Labels that the scrape adds (deploy/observability/prometheus.yml). */
const OF_SCRAPE = ['job', 'instance', 'role'];

/** Everything that an expression refers to and that no process exposes, in words. */
export function unknownNames(expression: string): string[] {
  const { selectors, grouping } = referencesOf(expression);
  const faults: string[] = [];
  const there = new Set(OF_SCRAPE);
  for (const { metric, labels } of selectors) {
    const known = metric === 'up' ? [] : labelsOf(metric);
    if (known === undefined) {
      faults.push(`no process exposes ${metric}`);
      continue;
    }
    for (const label of known) there.add(label);
    for (const label of labels) if (!known.includes(label) && !OF_SCRAPE.includes(label)) faults.push(`${metric} has no label ${label}`);
  }
  return [...faults, ...grouping.filter((label) => !there.has(label)).map((label) => `no metric of the expression has the label ${label}`)];
}

/** The metrics of the catalogue that an expression reads. */
export function metricsIn(expression: string): string[] {
  return referencesOf(expression).selectors.map(({ metric }) => definitionOf(metric)?.name ?? metric);
}

function labelsOf(series: string): readonly string[] | undefined {
  const found = definitionOf(series);
  return found && [...(found.definition.labels ?? []), ...(series.endsWith('_bucket') ? ['le'] : [])];
}

/** A histogram is exposed by three names, and never by its own. */
function definitionOf(series: string): { readonly name: string; readonly definition: MetricDefinition } | undefined {
  const base = series.replace(/_(bucket|sum|count)$/, '');
  for (const name of metricNames()) {
    const definition = metricDefinition(name);
    if (name === (definition.type === 'histogram' ? base : series) && (definition.type !== 'histogram' || base !== series)) return { name, definition };
  }
  return undefined;
}
