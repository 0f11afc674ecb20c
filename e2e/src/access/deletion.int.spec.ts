import { setTimeout as delay } from 'node:timers/promises';
import { PgDatabase } from '@waybill/platform';
import { buildContent, pushContent, RegistryProcess } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { LoggedInClient } from './logged-in-client.js';
import { ADMIN_PASSWORD, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic } from './token-client.js';

const ADMIN = ['admin', ADMIN_PASSWORD] as const;
const content = buildContent({ blobs: { config: '{}', layer: { random: 2_000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });

describe.each(SECURED)('deleted by its API, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let client: LoggedInClient;
  const api = async (method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> => fetch(`${secured.registry.baseUrl}/api/v1${path}`, { method, headers: { ...basic(...ADMIN), ...headers } });
  const status = async (method: 'GET' | 'HEAD', path: string): Promise<number> => (await client.send({ method, path: `/v2/acme/web/${path}` })).status;

  beforeAll(async () => {
    secured = await start();
    client = new LoggedInClient(secured.registry.baseUrl, ADMIN);
  }, 120_000);
  afterAll(async () => {
    client.close();
    await secured.close();
  });

  it('a repository is gone for every request at once, and the next push makes another one', async () => {
    await pushContent(client, 'acme/web', content, { 'v1': 'app', 'latest': 'app' });
    const etag = (await api('GET', '/repositories/acme/web')).headers.get('etag');
    expect((await api('DELETE', '/repositories/acme/web', { 'If-Match': String(etag) })).status).toBe(204);
    const { digest } = content.manifest('app');
    for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${content.blob('layer').digest}`]) expect([path, await status('GET', path), await status('HEAD', path)]).toEqual([path, 404, 404]);
    expect(await status('GET', 'tags/list')).toBe(404);
    expect((await api('GET', '/repositories/acme/web')).status).toBe(404);
    await pushContent(client, 'acme/web', content, { v2: 'app' });
    expect([await status('GET', 'manifests/v1'), await status('GET', 'manifests/v2'), await status('GET', `blobs/${content.blob('layer').digest}`)]).toEqual([404, 200, 200]);
  });

  it('who was given a token is found in the audit, by name', async () => {
    const found = async (): Promise<readonly unknown[]> => {
      const answer = await api('GET', '/audit?kind=token&actor=admin&outcome=allowed&from=127.0.0.1&limit=1');
      expect(answer.status).toBe(200);
      const { items }: { readonly items: readonly unknown[] } = JSON.parse(await answer.text());
      return items;
    };
    // entries wait for each other for a tenth of a second
    for (const end = Date.now() + 10_000; Date.now() < end && (await found()).length === 0;) await delay(50);
    expect(await found()).toMatchObject([{ kind: 'token', action: 'token', actor: { login: 'admin' }, address: '127.0.0.1' }]);
  });
});

it('what a process left of a repository goes when the next one starts', async () => {
  const db = await testDatabase();
  const settings = { WAYBILL_AUTH_MODE: 'tokens', WAYBILL_ADMIN_PASSWORD: ADMIN_PASSWORD };
  const registry = await RegistryProcess.start({ databaseUrl: db.url, settings });
  const client = new LoggedInClient(registry.baseUrl, ADMIN);
  await pushContent(client, 'acme/web', content, { v1: 'app' });
  await registry.kill();
  const database = new PgDatabase({ url: db.url, poolSize: 1 });
  // as far as a process got that was killed behind its first step
  await database.sql(`SELECT access.delete_repository_v1('acme/web', '7 days', NULL, '{"repo_name":"acme/web"}')`);
  await registry.restart(settings);
  for (const end = Date.now() + 10_000; ;) {
    const [left] = await database.sql<{ rows: number }>('SELECT (SELECT count(*) FROM reg.tag)::int + (SELECT count(*) FROM reg.blob_link)::int AS rows');
    if (left?.rows === 0) break;
    expect(Date.now()).toBeLessThan(end);
  }
  await pushContent(client, 'acme/web', content, { v2: 'app' });
  client.close();
  await registry.stop();
  await database.close();
  await db.close();
}, 120_000);
