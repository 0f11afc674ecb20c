import { readFileSync } from 'node:fs';
import { metricNames } from '@waybill/platform';
import { parse } from 'yaml';
import { z } from 'zod';
import { metricsIn, unknownNames } from './known-names.js';
import { referencesOf } from './promql.js';

const folder = new URL('../../../deploy/observability/', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8');

const Rules = z.object({ groups: z.array(z.object({ rules: z.array(z.strictObject({ alert: z.string(), expr: z.string(), for: z.string(), labels: z.strictObject({ severity: z.enum(['page', 'ticket']) }), annotations: z.object({ summary: z.string(), description: z.string().optional() }) })) })) });
const Panel = z.object({ id: z.number(), title: z.string(), type: z.string(), targets: z.array(z.object({ expr: z.string(), legendFormat: z.string() })).optional() });
const Dashboard = z.object({ panels: z.array(Panel), templating: z.object({ list: z.array(z.object({ name: z.string(), definition: z.string().optional() })) }) });

const rules = Rules.parse(parse(read('alerts.yml'))).groups.flatMap((group) => group.rules);
const dashboard = Dashboard.parse(JSON.parse(read('grafana-dashboard.json')));
const targets = dashboard.panels.flatMap(({ title, targets: all = [] }) => all.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })));

describe('what an expression of Prometheus refers to', () => {
  it.each([
    ['up == 0', ['up'], []],
    ['sum by (role) (rate(a_total{code=~"5..", kind!="x"}[5m])) / on (role) group_left b', ['a_total code kind', 'b'], ['role', 'role']],
    ['histogram_quantile(0.99, sum(rate(c_bucket{job=~"$job"}[$__rate_interval])) by (le))', ['c_bucket job'], ['le']],
    ['time() - d offset 5m unless absent(e{f="}"})', ['d', 'e f'], []],
  ])('%s', (expression, selectors, grouping) => {
    const found = referencesOf(expression);
    expect([found.selectors.map(({ metric, labels }) => [metric, ...labels].join(' ')), found.grouping]).toEqual([selectors, grouping]);
  });

  it('is told where nobody exposes it', () => {
    expect(unknownNames('sum by (nobody) (rate(waybill_http_requests_total{colour="red"}[5m])) > waybill_no_such')).toEqual([
      'waybill_http_requests_total has no label colour', 'no process exposes waybill_no_such', 'no metric of the expression has the label nobody',
    ]);
    expect(unknownNames('waybill_http_request_seconds')).toEqual(['no process exposes waybill_http_request_seconds']);
    expect(unknownNames('waybill_log_last_seq_count')).toEqual(['no process exposes waybill_log_last_seq_count']);
    expect(unknownNames('waybill_http_request_seconds_sum{le="1"}')).toEqual(['waybill_http_request_seconds_sum has no label le']);
  });
});

describe('deploy/observability', () => {
  it.each(rules.map((rule) => [rule.alert, rule] as const))('%s asks for what processes expose', (_, { expr, annotations }) => {
    expect(unknownNames(expr)).toEqual([]);
    const { grouping, selectors } = referencesOf(expr);
    const told = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label ?? '');
    // what is summed away cannot be told
    const kept = expr.includes(' by ') ? grouping : [...selectors.flatMap(({ labels }) => labels), 'job', 'instance', 'role'];
    expect(told.filter((label) => !kept.includes(label))).toEqual([]);
  });

  it.each(targets.map((target) => [`${target.title}: ${target.expr}`, target] as const))('the panel %s asks for what processes expose', (_, { expr, legendFormat }) => {
    expect(unknownNames(expr)).toEqual([]);
    const { grouping } = referencesOf(expr);
    const told = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? '');
    expect(told.filter((label) => !grouping.includes(label) && !['job', 'instance', 'role'].includes(label))).toEqual([]);
  });

  it('shows every metric there is, or alerts on it', () => {
    const used = new Set([...rules.map(({ expr }) => expr), ...targets.map(({ expr }) => expr)].flatMap(metricsIn));
    expect(metricNames().filter((name) => !used.has(name))).toEqual([]);
  });

  it('chooses processes by labels that are there', () => {
    for (const { definition } of dashboard.templating.list) {
      if (definition === undefined) continue;
      const [, expression = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
      expect(unknownNames(`sum by (${label}) (${expression})`)).toEqual([]);
    }
  });

  it('has each panel and each alert once', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it('scrapes where the rules expect it, and loads them', () => {
    expect(parse(read('prometheus.yml'))).toMatchObject({ rule_files: ['alerts.yml'], scrape_configs: [{ job_name: 'waybill', relabel_configs: [{ target_label: 'role' }] }] });
  });
});
