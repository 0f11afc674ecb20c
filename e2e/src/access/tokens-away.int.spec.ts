import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { buildContent, pushContent, RegistryClient, startSplitRegistry, type SplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { ADMIN_PASSWORD } from './secured-registry.js';
import { TokenClient } from './token-client.js';

jest.setTimeout(180_000);

let database: TestDatabase;
let registry: SplitRegistry;
const clients: RegistryClient[] = [];

function connect(headers: Readonly<Record<string, string>>): RegistryClient {
  const client = new RegistryClient(registry.baseUrl, headers);
  clients.push(client);
  return client;
}

beforeAll(async () => {
  database = await testDatabase({ migrated: false });
  registry = await startSplitRegistry({ databaseUrl: database.url, adminPassword: ADMIN_PASSWORD });
});
afterAll(async () => {
  for (const client of clients) client.close();
  await registry.stop();
  await database.close();
});

const image = () => buildContent({ blobs: { config: { random: 200 }, layer: { random: 20_000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });

it('while every replica of tokens is dead, whoever has a token pushes and pulls on, nobody gets a new one, and nobody gets in without', async () => {
  const tokens = new TokenClient(registry.baseUrl);
  const admin: readonly [string, string] = ['admin', ADMIN_PASSWORD];
  const client = connect(await tokens.bearer(admin, 'repository:acme/away:pull,push'));
  const [before, during] = [image(), image()];
  await pushContent(client, 'acme/away', before, { before: 'image' });

  await Promise.all(registry.tokens.map((replica) => replica.kill()));
  await pushContent(client, 'acme/away', during, { during: 'image' });
  // at each of the replicas
  for (let i = 0; i < 4; i += 1) expect((await client.getManifest('acme/away', 'during')).body.equals(during.manifest('image').bytes)).toBe(true);
  const none = connect({});
  const refused = await none.getManifest('acme/away', 'before');
  expect([refused.status, refused.header('WWW-Authenticate')]).toEqual([401, expect.stringContaining('Bearer realm=')]);
  const answer = await tokens.get(admin, ['repository:acme/away:pull']);
  expect([answer.status, answer.headers.get('Retry-After'), answer.body['token']]).toEqual([503, '2', undefined]);

  await Promise.all(registry.tokens.map((replica) => replica.restart()));
  // the gateway is ready without them, and finds them by asking
  for (const end = Date.now() + 20_000; (await tokens.get(admin)).status === 503 && Date.now() < end; await delay(100));
  const again = connect(await tokens.bearer(admin, 'repository:acme/away:pull'));
  expect((await again.getManifest('acme/away', 'during')).status).toBe(200);
});
