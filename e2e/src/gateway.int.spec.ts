import { setTimeout as delay } from 'node:timers/promises';
import { blobFixture, buildContent, mediaTypes, openUpload, pushContent, RegistryClient, startSplitRegistry, type HttpAnswer, type SplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

let database: TestDatabase;
let registry: SplitRegistry;
let client: RegistryClient;

beforeAll(async () => {
  database = await testDatabase({ migrated: false });
  registry = await startSplitRegistry({ databaseUrl: database.url, settings: { WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' } });
  client = new RegistryClient(registry.baseUrl);
});
afterAll(async () => {
  client.close();
  await registry.stop();
  await database.close();
});

const content = () => buildContent({ blobs: { config: { random: 200 }, layer: { random: 50_000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

/** A process writes its log every quarter of a second. */
const logsAreWritten = (): Promise<void> => delay(400);

/** A manifest like no other, with nothing in it. */
const putIndex = (repository: string, tag: string, n: string): Promise<HttpAnswer> =>
  client.putManifest(repository, tag, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], annotations: { n } })), mediaTypes.index);

it('continues an upload at one replica that another one began', async () => {
  const blob = blobFixture({ random: 3_000_000 });
  let location = await openUpload(client, 'split/resumed');
  // the gateway would rather send all of it to one
  const replicas = registry.blobs.map(({ baseUrl }) => new RegistryClient(baseUrl));
  for (let at = 0; at < blob.bytes.length; at += 500_000) {
    const patched = await replicas[(at / 500_000) % replicas.length]?.appendUpload(location, blob.bytes.subarray(at, at + 500_000), { 'Content-Range': `${at}-${at + 499_999}` });
    expect(patched?.status).toBe(202);
    location = patched?.header('Location') ?? '';
  }
  for (const replica of replicas) replica.close();
  expect((await client.completeUpload(location, blob.digest)).status).toBe(201);
  expect((await client.getBlob('split/resumed', blob.digest)).body.equals(blob.bytes)).toBe(true);
  await logsAreWritten();
  // it went through both
  for (const replica of registry.blobs) expect(replica.logs()).toContain('"kind":"appendUpload"');
});

it('completes an upload at another replica when the one that took its bytes is killed', async () => {
  const blob = blobFixture({ random: 5_000 });
  const patched = await client.appendUpload(await openUpload(client, 'split/orphaned'), blob.bytes);
  expect(patched.status).toBe(202);
  await logsAreWritten();
  const [taker] = registry.blobs.filter((replica) => replica.logs().split('\n').some((line) => line.includes('split/orphaned') && line.includes('"kind":"appendUpload"')));
  if (taker === undefined) throw new Error('No replica has taken the bytes.');
  await taker.kill();
  expect((await client.completeUpload(patched.header('Location') ?? '', blob.digest)).status).toBe(201);
  expect((await client.getBlob('split/orphaned', blob.digest)).body.equals(blob.bytes)).toBe(true);
  await taker.restart();
});

it('serves at every replica at once what was pushed through one', async () => {
  for (let i = 0; i < 40; i += 1) {
    const image = content();
    await pushContent(client, 'split/visible', image, { latest: 'image' });
    for (let k = 0; k < 4; k += 1) expect((await client.getManifest('split/visible', 'latest')).header('Docker-Content-Digest')).toBe(image.manifest('image').digest);
  }
});

it('gives the events of both services their numbers at the relay alone, and each process is ready by what itself uses', async () => {
  const unnumbered = async (): Promise<number> => (await database.database.sql<{ n: number }>('SELECT count(*)::int AS n FROM es.pending'))[0]?.n ?? -1;
  await registry.relay.kill();
  await pushContent(client, 'split/numbered', content(), { latest: 'image' });
  await delay(1_000);
  // nobody else has taken its place, and the services serve
  expect(await unnumbered()).toBeGreaterThan(0);
  expect((await client.get('/readyz')).status).toBe(200);
  await registry.relay.restart();
  for (const end = Date.now() + 20_000; (await unnumbered()) > 0 && Date.now() < end; await delay(25));
  expect(await unnumbered()).toBe(0);
  const used = async ({ metricsUrl }: { readonly metricsUrl: string }): Promise<unknown> => (await fetch(`${metricsUrl}/readyz`)).json();
  expect(await Promise.all([registry.relay, ...registry.blobs, ...registry.manifests].map(used))).toEqual([
    { status: 'ready', checks: { database: 'ok', sealer: 'ok' } },
    ...registry.blobs.map(() => ({ status: 'ready', checks: { database: 'ok', storage: 'ok' } })),
    ...registry.manifests.map(() => ({ status: 'ready', checks: { database: 'ok' } })),
  ]);
  const gauges = async ({ metricsUrl }: { readonly metricsUrl: string }): Promise<string[]> => [...(await (await fetch(`${metricsUrl}/metrics`)).text()).matchAll(/^(waybill_(?:log|upload)_\w+)/gm)].map((found) => found[1] ?? '');
  expect((await gauges(registry.relay)).toSorted()).toEqual(['waybill_log_last_seq', 'waybill_log_odd_events_total', 'waybill_log_pending_seconds', 'waybill_log_seal_failures_total']);
  expect(await Promise.all([...registry.blobs.slice(1), ...registry.manifests.slice(1)].map(gauges))).toEqual([['waybill_upload_sessions'], []]);
});

it('tells the services which client and which request it is', async () => {
  await client.get('/v2/split/visible/manifests/latest', { 'X-Request-Id': 'told-by-the-client', 'X-Forwarded-For': '203.0.113.9' });
  await logsAreWritten();
  const line = registry.manifests.map((replica) => replica.logs().split('\n').find((text) => text.includes('told-by-the-client'))).find((text) => text !== undefined);
  // the gateway of this test trusts 127.0.0.1, which is where this client is
  expect(line).toContain('"client":"203.0.113.9"');
});

it('costs nobody but the requests under way when a replica is killed, and reading not even that', async () => {
  await pushContent(client, 'split/killed', content(), { latest: 'image' });
  const [victim] = registry.manifests;
  if (victim === undefined) throw new Error('There is no replica to kill.');
  let stop = false;
  const failed: number[] = [];
  const unacknowledged: number[] = [];
  const reading = Array.from({ length: 8 }, async () => {
    while (!stop) {
      const { status } = await client.getManifest('split/killed', 'latest');
      if (status !== 200) failed.push(status);
    }
  });
  const writing = Array.from({ length: 4 }, async (_, worker) => {
    for (let i = 0; !stop; i += 1) {
      const { status } = await putIndex('split/killed', `w${worker}-${i}`, `${worker}.${i}`);
      if (status !== 201) unacknowledged.push(status);
    }
  });
  await delay(700);
  await victim.kill();
  await delay(1_500);
  stop = true;
  await Promise.all([...reading, ...writing]);
  expect(failed).toEqual([]);
  expect(unacknowledged.length).toBeLessThanOrEqual(4);
  expect(unacknowledged.every((status) => status === 503)).toBe(true);
  await victim.restart();
});

it('answers 503 in the words of the spec while no replica of a service is there, and the other service goes on', async () => {
  const image = content();
  await pushContent(client, 'split/away', image, { latest: 'image' });
  await Promise.all(registry.blobs.map((replica) => replica.kill()));
  const answer = await client.getBlob('split/away', image.blob('layer').digest);
  expect([answer.status, answer.errorCodes(), answer.header('Retry-After')]).toEqual([503, ['UNAVAILABLE'], '2']);
  expect((await client.getManifest('split/away', 'latest')).status).toBe(200);
  expect((await client.get('/readyz')).status).toBe(503);
  await Promise.all(registry.blobs.map((replica) => replica.restart()));
  await registry.gateway.ready();
  expect((await client.getBlob('split/away', image.blob('layer').digest)).status).toBe(200);
});

it('finishes a running push on SIGTERM of a replica, and later ones go elsewhere', async () => {
  const [leaving] = registry.manifests;
  if (leaving === undefined) throw new Error('There is no replica to stop.');
  let stop = false;
  const failed: number[] = [];
  const pushing = Array.from({ length: 6 }, async (_, worker) => {
    for (let i = 0; !stop; i += 1) {
      const { status } = await putIndex('split/leaving', `w${worker}`, `${worker}.${i}`);
      if (status !== 201) failed.push(status);
    }
  });
  await delay(500);
  await leaving.stop();
  await delay(500);
  stop = true;
  await Promise.all(pushing);
  expect(failed).toEqual([]);
});
