import { setTimeout as delay } from 'node:timers/promises';
import { buildContent, pushContent } from '@waybill/testing';
import { LoggedInClient } from './logged-in-client.js';
import { ADMIN_PASSWORD, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic, TokenClient } from './token-client.js';

const OLGA = ['olga', 'a password of olga'] as const;
const content = buildContent({ blobs: { config: '{}', other: '{"os":"linux"}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] }, next: { kind: 'image', config: 'other', layers: [] } } });

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

describe.each(SECURED)('managed by its API, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let tokens: TokenClient;
  const ask = async (login: readonly [string, string], method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await fetch(`${secured.registry.baseUrl}/api/v1${path}`, {
      method,
      headers: { ...basic(...login), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
  };
  const admin = (method: string, path: string, body?: unknown): Promise<Answer> => ask(['admin', ADMIN_PASSWORD], method, path, body);
  const olga = (method: string, path: string, body?: unknown): Promise<Answer> => ask(OLGA, method, path, body);
  const made = async (answer: Promise<Answer>): Promise<string> => {
    const { status, body } = await answer;
    if (status !== 201) throw new Error(`expected 201: ${status} ${JSON.stringify(body)}`);
    return String(body['id']);
  };
  const put = async (client: LoggedInClient, tag: string, nickname: 'app' | 'next'): Promise<number> => {
    const manifest = content.manifest(nickname);
    return (await client.putManifest('acme/web', tag, manifest.bytes, manifest.mediaType)).status;
  };

  /** Within five seconds no replica takes the token any more. */
  const refusedEverywhere = async (headers: { readonly Authorization: string }): Promise<void> => {
    const begun = performance.now();
    for (;;) {
      const statuses = await Promise.all(secured.replicas.map(async ({ baseUrl }) => (await fetch(`${baseUrl}/v2/acme/web/tags/list`, { headers })).status));
      if (statuses.every((status) => status === 401)) return;
      expect(performance.now() - begun).toBeLessThan(5_000);
      await delay(50);
    }
  };

  beforeAll(async () => {
    secured = await start();
    tokens = new TokenClient(secured.registry.baseUrl);
    await made(admin('POST', '/organisations', { name: 'acme' }));
    await made(admin('POST', '/users', { login: OLGA[0], password: OLGA[1] }));
    await made(admin('POST', '/organisations/acme/grants', { effect: 'allow', repositories: '**', role: 'owner', subject: { kind: 'principal', login: OLGA[0] } }));
  }, 120_000);
  afterAll(() => secured.close());

  it('an owner makes a robot that pushes, moves the tags that it may, and is out within five seconds', async () => {
    const robot = await made(olga('POST', '/organisations/acme/robots', { name: 'ci' }));
    const { body: { secret } } = await olga('POST', `/organisations/acme/robots/${robot}/secrets`, { name: 'pipelines' });
    const login = ['acme+ci', String(secret)] as const;
    const grant = (terms: object): Promise<string> => made(olga('POST', '/organisations/acme/grants', { effect: 'allow', repositories: 'acme/web', subject: { kind: 'principal', login: 'acme+ci' }, ...terms }));
    const push = await grant({ actions: ['pull', 'push'] });
    await grant({ actions: ['overwrite'], tags: 'dev-*' });

    const client = new LoggedInClient(secured.registry.baseUrl, login);
    await pushContent(client, 'acme/web', content, { 'v1.0': 'app', 'dev-x': 'app' });
    // CVE-2026-31801: `push` makes tags, and moves only those that a grant of `overwrite` is about
    expect([await put(client, 'dev-x', 'next'), await put(client, 'v2.0', 'app')]).toEqual([201, 201]);
    for (const tag of ['v1.0', 'v2.0']) expect([401, 403]).toContain(await put(client, tag, 'next'));
    expect((await client.send({ method: 'DELETE', path: `/v2/acme/web/manifests/${content.manifest('app').digest}` })).status).toBe(401);

    const headers = await tokens.bearer(login, 'repository:acme/web:pull');
    expect((await olga('DELETE', `/organisations/acme/grants/${push}`)).status).toBe(204);
    await refusedEverywhere(headers);
    expect((await olga('GET', '/access:explain?principal=acme%2Bci&repository=acme/web&action=pull')).body).toMatchObject({ allowed: false, because: 'none' });
    client.close();
  });

  it('CVE-2025-23208: whoever is put out of a group is out within five seconds, with the token from before', async () => {
    const login = ['gina', 'a password of gina'] as const;
    const gina = await made(admin('POST', '/users', { login: login[0], password: login[1] }));
    const group = await made(olga('POST', '/organisations/acme/groups', { name: 'readers' }));
    await made(olga('POST', `/organisations/acme/groups/${group}/members`, { login: 'gina' }));
    await made(olga('POST', '/organisations/acme/grants', { effect: 'allow', repositories: 'acme/web', actions: ['pull'], subject: { kind: 'group', id: group } }));
    const headers = await tokens.bearer(login, 'repository:acme/web:pull');
    expect((await fetch(`${secured.registry.baseUrl}/v2/acme/web/tags/list`, { headers })).status).toBe(200);
    expect((await olga('DELETE', `/organisations/acme/groups/${group}/members/${gina}`)).status).toBe(204);
    await refusedEverywhere(headers);
  });

  it('a repository is made, public for whoever did not log in, and private again', async () => {
    expect((await olga('POST', '/repositories', { name: 'acme/open' })).status).toBe(201);
    const pull = async (): Promise<number> => (await fetch(`${secured.registry.baseUrl}/v2/acme/open/tags/list`, { headers: await tokens.bearer(undefined, 'repository:acme/open:pull') })).status;
    expect(await pull()).toBe(401);
    expect((await olga('PATCH', '/repositories/acme/open', { visibility: 'public' })).status).toBe(200);
    expect(await pull()).toBe(200);
    const upload = await fetch(`${secured.registry.baseUrl}/v2/acme/open/blobs/uploads/`, { method: 'POST', headers: await tokens.bearer(undefined, 'repository:acme/open:pull,push') });
    expect(upload.status).toBe(401);
    expect((await olga('PATCH', '/repositories/acme/open', { visibility: 'private' })).status).toBe(200);
    expect(await pull()).toBe(401);
  });

  it('no token of the registry opens the API, and no login means no answer', async () => {
    const headers = await tokens.bearer(['admin', ADMIN_PASSWORD], 'registry:catalog:*');
    expect((await fetch(`${secured.registry.baseUrl}/api/v1/users`, { headers })).status).toBe(401);
    expect((await fetch(`${secured.registry.baseUrl}/api/v1/users`)).status).toBe(401);
  });
});
