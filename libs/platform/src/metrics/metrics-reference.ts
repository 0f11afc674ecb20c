import { METRIC_ROLES, METRICS, metricDefinition } from './catalogue.js';
import type { MetricDefinition, MetricName } from './catalogue.js';

const HEAD = `# Metrics

Each process answers \`/metrics\` at \`metrics.address\` in the text format of Prometheus. These are all the names there are; the dashboard, the scrape
configuration and the alert rules of \`deploy/observability\` use no others. A registry in one process has all roles but gateway. The time
metrics are histograms in seconds with the labels \`le\`, and the names ending in \`_bucket\`, \`_sum\` and \`_count\`, that Prometheus gives them.

This page is generated from the table in \`libs/platform/src/metrics/catalogue.ts\` by \`npm run docs\`.
`;

/** The text of docs/reference/metrics.md. */
export function metricsReference(): string {
  const groups = new Map<string, string[]>();
  for (const name of metricNames()) {
    const definition = metricDefinition(name);
    const roles = definition.roles.length === METRIC_ROLES.length ? 'every process' : definition.roles.join(', ');
    groups.set(roles, [...(groups.get(roles) ?? []), describe(name, definition)]);
  }
  return [HEAD, ...[...groups].map(([roles, lines]) => `## ${roles[0]?.toUpperCase()}${roles.slice(1)}\n\n${lines.join('\n')}\n`)].join('\n');
}

export function metricNames(): MetricName[] {
  return Object.keys(METRICS).filter((name): name is MetricName => name in METRICS);
}

function describe(name: string, { type, help, labels = [], onlyIf }: MetricDefinition): string {
  const by = labels.length === 0 ? '' : `, by ${labels.map((label) => `\`${label}\``).join(' and ')}`;
  return `- \`${name}\` (${type}${by}): ${help}${onlyIf === undefined ? '' : ` Only where ${onlyIf}.`}`;
}
