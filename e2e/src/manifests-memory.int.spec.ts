import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { buildContent, makeMemoryGroup, pushContent, RegistryClient, RegistryProcess, serviceUrl, setUpDatabase, temporaryFolder, type MemoryGroup, type TemporaryFolder } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

const MIB = 1024 * 1024;
/** What docker-compose.yml gives a replica. */
const CONTAINER = 512 * MIB;
const AT_ONCE = 120;
/** Just below the limit of a manifest, 4 MiB. */
const CHILDREN = 7_990;
const INDEX = 'application/vnd.oci.image.index.v1+json';
const app = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });

let database: TestDatabase;
let folder: TemporaryFolder;

beforeAll(async () => {
  [database, folder] = await Promise.all([testDatabase({ migrated: false }), temporaryFolder('memory')]);
  await setUpDatabase({ databaseUrl: database.url });
  const whole = await RegistryProcess.start({ databaseUrl: database.url, dataFolder: folder.path });
  const client = new RegistryClient(whole.baseUrl);
  await pushContent(client, 'memory/index', app, { app: 'app' });
  client.close();
  await whole.stop();
});
afterAll(async () => {
  await database.close();
  await folder.remove();
});

/** Of all indexes: what differs is behind it. */
const beginning = Buffer.from(
  `{"schemaVersion":2,"mediaType":"${INDEX}","manifests":${JSON.stringify(Array.from({ length: CHILDREN }, () => ({ mediaType: 'a'.repeat(255), digest: app.manifest('app').digest, size: app.manifest('app').bytes.length })))},"annotations":{"n":`,
);

/** The status; 0 where the answer was overtaken by the end of the connection, as a refusal of a body that is still being sent may be. */
function push(registry: RegistryProcess, tag: string): Promise<number> {
  const end = Buffer.from(`"${tag}"}}`);
  return new Promise((resolve) => {
    const headers = { 'Content-Type': INDEX, 'Content-Length': beginning.length + end.length };
    const outgoing = request(`${registry.baseUrl}/v2/memory/index/manifests/${tag}`, { method: 'PUT', headers, agent: false }, (answer) => {
      answer.resume().once('close', () => resolve(answer.statusCode ?? 0));
    }).once('error', () => resolve(0));
    outgoing.write(beginning);
    outgoing.end(end);
  });
}

/** Many at once; every one that is not taken is refused in the words of the spec, and afterwards each is taken again. */
async function survives(settings: Readonly<Record<string, string>>, memory?: MemoryGroup): Promise<void> {
  const registry = await RegistryProcess.start({ app: 'manifests', databaseUrl: serviceUrl(database.url, 'manifests'), dataFolder: folder.path, settings, ...(memory && { memory }) });
  try {
    const statuses = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => push(registry, `t${i}`)));
    if (!registry.running) throw new Error(`It died; it had at most ${memory?.most() ?? 'an unknown number of'} bytes.\n${registry.logs().slice(-2_000)}`);
    expect([...new Set(statuses)].filter((status) => ![201, 503, 0].includes(status))).toEqual([]);
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThan(2);
    expect(statuses).toContain(503);
    await delay(100);
    for (const tag of ['x', 'y', 'z']) expect([tag, await push(registry, tag)]).toEqual([tag, 201]);
  } finally {
    await registry.stop();
  }
}

describe(`a replica of the service manifests takes ${AT_ONCE} manifests of 4 MB at a time`, () => {
  it('in a heap of 128 MiB', () => survives({ NODE_OPTIONS: '--max-old-space-size=128' }), 180_000);

  const memory = makeMemoryGroup(CONTAINER);
  if (memory === undefined) it.skip('needs a control group with a limit of memory', () => undefined);
  else {
    afterAll(() => memory.remove());
    it('in a container of 512 MiB', () => survives({}, memory), 180_000);
  }
});
