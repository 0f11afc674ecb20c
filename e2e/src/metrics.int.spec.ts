import { setTimeout as delay } from 'node:timers/promises';
import { metricDefinition, metricNames, type MetricRole } from '@waybill/platform';
import { buildContent, pushContent, RegistryClient, RegistryProcess, startSplitRegistry, type SplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

/** What a process says about its metrics. */
interface Exposed {
  /** `# TYPE` and `# HELP` by name. */
  readonly heads: ReadonlyMap<string, { readonly type: string; readonly help: string }>;
  /** Names of labels by the name of the metric, of the samples that there are. */
  readonly labels: ReadonlyMap<string, ReadonlySet<string>>;
}

async function scrape(url: string): Promise<Exposed> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const heads = new Map<string, { type: string; help: string }>();
  for (const [, name = '', help = ''] of text.matchAll(/^# HELP (\S+) (.*)$/gm)) heads.set(name, { type: new RegExp(`^# TYPE ${name} (\\w+)$`, 'm').exec(text)?.[1] ?? '', help });
  const labels = new Map<string, Set<string>>();
  for (const [, series = '', inside = ''] of text.matchAll(/^([a-z_]+)(?:\{(.*)\})? \S+$/gm)) {
    const name = heads.has(series) ? series : series.replace(/_(bucket|sum|count)$/, '');
    const known = labels.get(name) ?? new Set();
    for (const [, label = ''] of inside.matchAll(/([a-z_]+)="(?:[^"\\]|\\.)*"/g)) if (label !== 'le') known.add(label);
    labels.set(name, known);
  }
  return { heads, labels };
}

/** Says of every metric of the roles that it is there, and of every one that is there that it is theirs. */
function expectCatalogue({ heads, labels }: Exposed, roles: readonly MetricRole[]): void {
  const theirs = metricNames().filter((name) => metricDefinition(name).roles.some((role) => roles.includes(role)));
  expect([...heads.keys()].filter((name) => !theirs.some((known) => known === name))).toEqual([]);
  expect(theirs.filter((name) => !heads.has(name) && metricDefinition(name).onlyIf === undefined)).toEqual([]);
  for (const name of theirs) {
    const definition = metricDefinition(name);
    const head = heads.get(name);
    if (head !== undefined) expect([name, head]).toEqual([name, { type: definition.type, help: definition.help }]);
    const told = labels.get(name);
    if (told !== undefined) expect([name, [...told].sort()]).toEqual([name, [...(definition.labels ?? [])].sort()]);
  }
}

const content = buildContent({ blobs: { config: '{}', layer: 'a layer' }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

async function use(url: string): Promise<void> {
  const client = new RegistryClient(url);
  await pushContent(client, 'team/app', content, { v1: 'image' });
  await client.getBlob('team/app', content.blob('layer').digest);
  await client.get('/v2/team/app/manifests/v1');
  await client.get('/v2/no/such/manifests/v1');
}

describe('the metrics of a registry in one process', () => {
  it('are those of the catalogue, each with its type, its help and its labels', async () => {
    const registry = await RegistryProcess.start();
    await use(registry.baseUrl);
    const exposed = await scrape(registry.metricsUrl);
    expectCatalogue(exposed, ['blobs', 'manifests', 'relay']);
    for (const name of ['waybill_storage_bytes_total', 'waybill_database_statement_seconds', 'waybill_check_ok', 'nodejs_gc_pauses_total']) expect(exposed.labels.get(name)?.size).toBeGreaterThan(0);
    await registry.stop();
  }, 120_000);
});

describe('the metrics of services', () => {
  let database: TestDatabase;
  let registry: SplitRegistry;
  beforeAll(async () => {
    database = await testDatabase();
    registry = await startSplitRegistry({ databaseUrl: database.url, replicas: 1 });
    await use(registry.baseUrl);
  }, 120_000);
  afterAll(async () => {
    await registry?.stop();
    await database?.close();
  });

  it.each([['gateway', (all: SplitRegistry) => all.gateway], ['blobs', (all: SplitRegistry) => all.blobs[0]], ['manifests', (all: SplitRegistry) => all.manifests[0]], ['relay', (all: SplitRegistry) => all.relay]] as const)('of the role %s are those of the catalogue for it, and no others', async (role, process) => {
    expectCatalogue(await scrape(process(registry)?.metricsUrl ?? ''), [role]);
  });

  it('count the sessions that the database has ended', async () => {
    const [manifests] = registry.manifests;
    await database.database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'waybill'`);
    // a process hears of an ended session when its socket closes, a moment after the database has said so
    const lost = /^waybill_database_sessions_lost_total [1-9]/m;
    let text = '';
    for (let tries = 0; tries < 100 && !lost.test(text); tries += 1) {
      await delay(50);
      text = await (await fetch(`${manifests?.metricsUrl}/metrics`)).text();
    }
    expect(text).toMatch(lost);
  });
});
