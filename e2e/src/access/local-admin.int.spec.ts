import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { GuardedRegistry, startRegistry, TOPOLOGIES, type StartedRegistry } from './guarded-registry.js';
import { basic } from './token-client.js';

const PASSWORD = 'correct horse battery staple';
/** bcrypt of `opensesame`. */
const HASH = '$2b$04$T1n1bnBasRYbbnAGdO/xPOjopSgP4OJdhp9zTmXf2cJRQNSP2lsAa';
const [ALICE, BOB] = [basic('alice', 'opensesame'), basic('bob', 'opensesame')];

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The management API as its admin. */
async function manage(baseUrl: string, method: string, path: string, body?: unknown, headers: Readonly<Record<string, string>> = basic('admin', PASSWORD)): Promise<Answer> {
  const answer = await fetch(`${baseUrl}/api/v1${path}`, { method, headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
}

jest.setTimeout(120_000);

describe.each(TOPOLOGIES)('the admin of a registry behind an external token server, %s', (topology) => {
  let guarded: GuardedRegistry;
  const ask = (method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer> => manage(guarded.baseUrl, method, path, body, headers);

  beforeAll(async () => {
    guarded = await GuardedRegistry.start(topology, { WAYBILL_ADMIN_PASSWORD: PASSWORD });
  });
  afterAll(() => guarded.stop());

  it('manages by the API what is still ours', async () => {
    expect((await ask('GET', '/whoami')).body).toMatchObject({ login: 'admin', admin: true });
    expect((await ask('POST', '/organisations', { name: 'acme' })).status).toBe(201);
    expect((await ask('POST', '/repositories', { name: 'acme/app' })).status).toBe(201);
    expect((await ask('PATCH', '/repositories/acme/app', { visibility: 'public' })).status).toBe(200);
    expect((await ask('GET', '/whoami', undefined, basic('admin', 'another'))).status).toBe(401);
  });

  it('has no way into the registry, where tokens of the other server decide and nothing else does', async () => {
    expect((await guarded.with(basic('admin', PASSWORD).Authorization).ping()).status).toBe(401);
    expect((await guarded.with(undefined).get('/v2/acme/app/tags/list')).status).toBe(401);
    expect((await guarded.as('alice', 'acme/app:pull').get('/v2/acme/app/tags/list')).status).toBe(200);
    expect((await guarded.as('alice', 'acme/other:pull').get('/v2/acme/app/tags/list')).status).toBe(401);
    expect((await ask('GET', '/whoami', undefined, { Authorization: `Bearer ${guarded.token('admin', 'acme/app:pull')}` })).status).toBe(401);
    expect((await fetch(`${guarded.baseUrl}/token`)).status).toBe(404);
  });

  it('is told that the other server decides, except about the API', async () => {
    expect((await ask('GET', '/access:explain?repository=acme/app&action=pull')).body).toMatchObject({ allowed: null, because: 'external', answer: expect.stringContaining('external token server') });
    expect((await ask('GET', '/access:explain?repository=acme/app&action=manage')).body).toMatchObject({ allowed: true, because: 'admin' });
  });
});

describe.each(TOPOLOGIES)('the admin of a registry with an htpasswd file, %s', (topology) => {
  let registry: StartedRegistry;
  let folder: TemporaryFolder;
  const ask = (method: string, path: string, body?: unknown): Promise<Answer> => manage(registry.baseUrl, method, path, body);
  const push = async (repository: string, headers: Readonly<Record<string, string>>): Promise<number> => (await fetch(`${registry.baseUrl}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers })).status;
  const pull = async (repository: string, headers: Readonly<Record<string, string>>): Promise<number> => (await fetch(`${registry.baseUrl}/v2/${repository}/tags/list`, { headers })).status;
  const explain = async (who: string, action: string): Promise<Readonly<Record<string, unknown>>> => (await ask('GET', `/access:explain?principal=${encodeURIComponent(who)}&repository=acme/app&action=${action}`)).body;
  const grant = async (login: string, actions: readonly string[]): Promise<string> =>
    String((await ask('POST', '/organisations/acme/grants', { effect: 'allow', repositories: 'acme/**', actions, subject: { kind: 'principal', login } })).body['id']);
  /** Until every replica answers so several times on end, five seconds at most. */
  const soon = async (look: () => Promise<number>, expected: number): Promise<void> => {
    const end = performance.now() + 5_000;
    for (let same = 0; same < 6; same = (await look()) === expected ? same + 1 : 0) {
      if (performance.now() > end) throw new Error(`expected ${expected} within 5 s, got ${await look()}`);
      await delay(20);
    }
  };

  beforeAll(async () => {
    folder = await temporaryFolder('local-admin');
    const path = join(folder.path, 'users');
    await writeFile(path, `alice:${HASH}\nbob:${HASH}\n`);
    registry = await startRegistry(topology, { WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: path, WAYBILL_ADMIN_PASSWORD: PASSWORD });
    await ask('POST', '/repositories', { name: 'acme/app' });
    await ask('POST', '/repositories', { name: 'other/app' });
  });
  afterAll(async () => {
    await registry.stop();
    await folder.remove();
  });

  it('is no user of the file, nor is a user of the file one of the API', async () => {
    expect((await ask('GET', '/whoami')).body).toMatchObject({ login: 'admin' });
    expect(await pull('acme/app', basic('admin', PASSWORD))).toBe(401);
    expect((await manage(registry.baseUrl, 'GET', '/whoami', undefined, ALICE)).status).toBe(401);
  });

  it('lets users do everything until the first grant, and then what grants say, for good', async () => {
    for (const user of [ALICE, BOB]) expect([await push('acme/app', user), await pull('other/app', user)]).toEqual([202, 200]);
    expect(await explain('htpasswd:bob', 'push')).toMatchObject({ allowed: true, because: 'htpasswd' });

    const bobs = await grant('htpasswd:bob', ['pull']);
    await soon(() => push('acme/app', ALICE), 403);
    await soon(() => push('acme/app', BOB), 403);
    expect([await pull('acme/app', BOB), await pull('other/app', BOB), await pull('acme/app', ALICE)]).toEqual([200, 403, 403]);
    expect(await explain('htpasswd:bob', 'pull')).toMatchObject({ allowed: true, because: 'allow', grant: bobs });
    expect(await explain('htpasswd:bob', 'push')).toMatchObject({ allowed: false, because: 'none' });

    const alices = await grant('htpasswd:alice', ['pull', 'push']);
    await soon(() => push('acme/app', ALICE), 202);
    for (const id of [alices, bobs]) expect((await ask('DELETE', `/organisations/acme/grants/${id}`)).status).toBe(204);
    await soon(() => push('acme/app', ALICE), 403);
    await soon(() => pull('acme/app', BOB), 403);
  });

  it('names users of the file as such, so that nobody of the database is meant', async () => {
    const subject = (login: string): unknown => ({ effect: 'allow', repositories: 'acme/**', actions: ['pull'], subject: { kind: 'principal', login } });
    expect((await ask('POST', '/organisations/acme/grants', subject('alice'))).status).toBe(400);
    expect((await ask('GET', '/access:explain?repository=acme/app&action=pull')).status).toBe(400);
  });
});
