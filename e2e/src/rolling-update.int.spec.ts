import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { verifyLog } from '@waybill/event-log/postgres';
import { buildContent, laterBuild, pushContent, RegistryClient, RegistryProcess, serviceUrl, setUpDatabase, startSetUp, temporaryFolder, type Content, type TemporaryFolder } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

jest.setTimeout(300_000);

/** A service each of one build, behind a gateway of it. */
interface Deployment {
  readonly services: readonly RegistryProcess[];
  readonly gateway: RegistryProcess;
  readonly client: RegistryClient;
}

let database: TestDatabase;
let data: TemporaryFolder;
let later: TemporaryFolder;
const running: RegistryProcess[] = [];
/** Those of the later build, from before they serve. */
const waiting: RegistryProcess[] = [];

const start = async (app: 'blobs' | 'manifests', workspace?: string, settings: Readonly<Record<string, string>> = {}): Promise<RegistryProcess> => {
  const process = await RegistryProcess.start({ app, dataFolder: data.path, databaseUrl: serviceUrl(database.url, app), settings, ...(workspace === undefined ? {} : { workspace, spawned: (early) => waiting.push(early) }) });
  running.push(process);
  return process;
};

async function deploy(workspace?: string): Promise<Deployment> {
  const services = await Promise.all([start('blobs', workspace), start('manifests', workspace)]);
  const [blobs, manifests] = services.map(({ baseUrl }) => new URL(baseUrl).host);
  const gateway = await RegistryProcess.start({ app: 'gateway', dataFolder: data.path, settings: { WAYBILL_GATEWAY_BLOBS: blobs ?? '', WAYBILL_GATEWAY_MANIFESTS: manifests ?? '' } });
  running.push(gateway);
  return { services, gateway, client: new RegistryClient(gateway.baseUrl) };
}

type Image = Content<'config' | 'layer', 'image'>;
const image = (): Image => buildContent({ blobs: { config: { random: 200 }, layer: { random: 20_000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

async function pull(client: RegistryClient, repository: string, content: Image): Promise<void> {
  const manifest = await client.getManifest(repository, 'latest');
  expect([manifest.status, manifest.body.equals(content.manifest('image').bytes)]).toEqual([200, true]);
  expect((await client.getBlob(repository, content.blob('layer').digest)).body.equals(content.blob('layer').bytes)).toBe(true);
}

beforeAll(async () => {
  [database, data, later] = await Promise.all([
    testDatabase({ migrated: false }),
    temporaryFolder('rolling'),
    laterBuild('9000-later.sql', 'ALTER TABLE reg.repo ADD COLUMN note text; CREATE TABLE reg.note (id int PRIMARY KEY); INSERT INTO reg.note SELECT 1 FROM reg.repo LIMIT 1;'),
  ]);
});
afterAll(async () => {
  await Promise.all(running.map((process) => process.stop()));
  await Promise.all([data.remove(), later.remove(), database.close()]);
});

it('serves from replicas of two versions at a time while the schema moves from one to the other, and loses nothing', async () => {
  await setUpDatabase({ databaseUrl: database.url });
  const old = await deploy();
  const before = image();
  await pushContent(old.client, 'rolling/before', before, { latest: 'image' });

  // the new replicas find the old schema, and wait
  let arrived = false;
  const arriving = deploy(later.path).then((deployment) => {
    arrived = true;
    return deployment;
  });
  // pushes through the old replicas go on all the time
  let stop = false;
  const pushed: Image[] = [];
  const pushing = (async () => {
    while (!stop) {
      const content = image();
      await pushContent(old.client, `rolling/during-${pushed.length}`, content, { latest: 'image' });
      pushed.push(content);
    }
  })();
  const wait = (replica: RegistryProcess): boolean => replica.logs().includes('waiting for the set-up step of this version: the schema of the database is older than migration 9000');
  for (const end = Date.now() + 20_000; waiting.filter(wait).length < 2 && Date.now() < end; await delay(50));
  expect([waiting.filter(wait).length, arrived]).toEqual([2, false]);
  for (const end = Date.now() + 5_000; pushed.length === 0 && Date.now() < end; await delay(50));
  const sofar = pushed.length;
  expect(sofar).toBeGreaterThan(0);

  expect(await setUpDatabase({ databaseUrl: database.url, workspace: later.path })).toContain('schema: ran 1 migration, up to 9000-later;');
  const young = await arriving;
  await delay(500);
  stop = true;
  await pushing;
  expect(pushed.length).toBeGreaterThan(sofar);

  await pull(young.client, 'rolling/before', before);
  for (const [i, content] of pushed.entries()) await pull(young.client, `rolling/during-${i}`, content);
  const [byOld, byYoung] = [image(), image()];
  await pushContent(old.client, 'rolling/by-old', byOld, { latest: 'image' });
  await pushContent(young.client, 'rolling/by-young', byYoung, { latest: 'image' });
  await pull(young.client, 'rolling/by-old', byOld);
  await pull(old.client, 'rolling/by-young', byYoung);

  // a replica of the old version that starts now takes the newer schema; the old set-up step leaves it alone
  for (const replica of old.services) {
    await replica.kill();
    await replica.restart();
  }
  await old.gateway.ready();
  await pull(old.client, 'rolling/by-young', byYoung);
  // with workers, too
  const several = new RegistryClient((await start('manifests', undefined, { WAYBILL_HTTP_WORKERS: '2' })).baseUrl);
  expect((await several.getManifest('rolling/by-young', 'latest')).status).toBe(200);
  const back = startSetUp({ databaseUrl: database.url });
  await back.ended();
  expect([back.exitCode, back.output]).toEqual([1, expect.stringContaining('newer schema than this version of Waybill knows (9000-later')]);

  const report = await verifyLog(database.database);
  expect(report.differences).toEqual([]);
  expect(report.pending).toBeGreaterThan(0);
});
