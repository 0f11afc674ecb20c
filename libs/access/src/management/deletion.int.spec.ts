import { verifyAudit } from '../audit-chain.js';
import { AuditTrail } from '../audit-trail.js';
import { PASSWORD, startManagement } from '../testing/management.js';
import type { Ask, ManagementUnderTest } from '../testing/management.js';

let api: ManagementUnderTest;
let root: Ask;

async function made(organisation: string, what: string, body: object): Promise<string> {
  const { status, body: { id }, text } = await root('POST', organisation === '' ? `/${what}` : `/organisations/${organisation}/${what}`, { body });
  if (status !== 201) throw new Error(`expected 201: ${status} ${text}`);
  return String(id);
}
const allow = (login: string, repositories: string, more: object): object => ({ effect: 'allow', repositories, subject: { kind: 'principal', login }, ...more });

beforeAll(async () => {
  api = await startManagement();
  root = api.as('root');
});
afterAll(() => api.close());

describe('a repository, deleted by the API', () => {
  const status = async (login: string, method: string, name: string, headers: Readonly<Record<string, string>> = {}): Promise<number> => (await api.as(login)(method, `/repositories/${name}`, { headers })).status;
  const create = async (name: string): Promise<void> => expect((await root('POST', '/repositories', { body: { name } })).status).toBe(201);

  beforeAll(async () => {
    await made('', 'organisations', { name: 'acme' });
    for (const login of ['olga', 'max', 'mia', 'dora', 'nobody']) await made('', 'users', { login, password: PASSWORD });
    await made('acme', 'grants', allow('olga', '**', { role: 'owner' }));
    await made('acme', 'grants', allow('max', '**', { role: 'maintainer' }));
    await made('acme', 'grants', allow('mia', '**', { actions: ['manage'] }));
    await made('acme', 'grants', allow('dora', '**', { role: 'owner' }));
    // by that a manifest is not deleted by digest either: it would take its tags along
    await made('acme', 'grants', { ...allow('dora', '**', { actions: ['delete'] }), effect: 'deny', tags: 'v*' });
  });

  it('is gone, and its name is free, for whoever may both manage it and delete all of it', async () => {
    await create('acme/web');
    expect([await status('nobody', 'DELETE', 'acme/web'), await status('max', 'DELETE', 'acme/web'), await status('mia', 'DELETE', 'acme/web'), await status('dora', 'DELETE', 'acme/web')]).toEqual([404, 403, 403, 403]);
    expect(await status('olga', 'DELETE', 'acme/web')).toBe(204);
    expect([await status('olga', 'GET', 'acme/web'), await status('olga', 'DELETE', 'acme/web')]).toEqual([404, 404]);
    await create('acme/web');
    expect(await status('olga', 'GET', 'acme/web')).toBe(200);
  });

  it('is the same as one that is not there to whoever may do nothing with it', async () => {
    await create('acme/hidden');
    const [hidden, missing] = await Promise.all(['acme/hidden', 'acme/nothing'].map((name) => api.as('nobody')('DELETE', `/repositories/${name}`)));
    expect([hidden?.status, hidden?.text]).toEqual([missing?.status, missing?.text]);
    expect([await status('olga', 'DELETE', 'acme/nothing'), await status('olga', 'DELETE', 'Acme')]).toEqual([404, 404]);
  });

  it('stays where If-Match names another version', async () => {
    await create('acme/kept');
    expect(await status('olga', 'DELETE', 'acme/kept', { 'If-Match': '"7"' })).toBe(412);
    expect(await status('olga', 'GET', 'acme/kept')).toBe(200);
    expect(await status('olga', 'DELETE', 'acme/kept', { 'If-Match': '"1"' })).toBe(204);
  });

  it('is deleted once under a key, also when another one of its name was made meanwhile', async () => {
    await create('acme/once');
    const key = { 'Idempotency-Key': 'delete-once' };
    expect([await status('olga', 'DELETE', 'acme/once', key), await status('olga', 'DELETE', 'acme/once', key)]).toEqual([204, 204]);
    await create('acme/once');
    expect(await status('olga', 'DELETE', 'acme/once', key)).toBe(204);
    expect(await status('olga', 'GET', 'acme/once')).toBe(200);
    expect(await status('olga', 'DELETE', 'acme/never-there', { 'Idempotency-Key': 'another' })).toBe(404);
  });
});

describe('a user, erased', () => {
  const LOGIN = 'zacharias';
  let id: string;

  /** Everything that the database holds, as text. */
  async function everything(): Promise<string> {
    const tables = await api.db.database.sql<{ name: string }>(`SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('es', 'reg', 'access', 'audit', 'public'))`);
    const texts = await Promise.all(tables.map(({ name }) => api.db.database.sql<{ text: string | null }>(`SELECT string_agg(t::text, E'\\n') AS text FROM ${name} t`)));
    return texts.map(([row]) => row?.text ?? '').join('\n');
  }

  beforeAll(async () => {
    id = await made('', 'users', { login: LOGIN, password: PASSWORD, admin: true });
    const group = await made('-', 'groups', { name: 'staff' });
    expect((await root('POST', `/organisations/-/groups/${group}/members`, { body: { login: LOGIN } })).status).toBe(201);
    await made('-', 'grants', allow(LOGIN, '**', { role: 'owner' }));
    expect((await api.as(LOGIN)('POST', '/whoami/tokens', { body: { name: 'laptop' } })).status).toBe(201);
    const trail = new AuditTrail(api.db.database, { gatherMs: 1 });
    const now = new Date().toISOString();
    trail.keep({ kind: 'request', outcome: 'allowed', actor: id, auth_kind: 'user', action: 'getManifest', repository: 'zoo/app', address: '192.0.2.1', count: 1, since: now, until: now });
    await trail.stop();
  });

  it('is named nowhere any more, while events and the audit go on naming the id, and the chain is whole', async () => {
    expect(await everything()).toContain(LOGIN);
    expect((await api.as(LOGIN)('DELETE', `/users/${id}`, { headers: { 'If-Match': '"7"' } })).status).toBe(412);
    expect((await root('DELETE', `/users/${id}`)).status).toBe(204);
    const left = await everything();
    expect(left).not.toContain(LOGIN);
    expect(left).toContain(id);
    const { body } = await root('GET', `/audit?actor=${id}`);
    expect(body).toMatchObject({ items: [{ actor: { id, login: null }, repository: 'zoo/app' }] });
    expect((await verifyAudit(api.db.database)).faults).toEqual([]);
    // by that, tokens that are out are refused
    expect(await api.db.database.sql(`SELECT data -> 'narrows' AS narrows FROM es.event WHERE type = 'UserErased'`)).toEqual([{ narrows: { principals: { [id]: 1 } } }]);
  });

  it('is out with every secret, and is no user any more', async () => {
    expect((await api.as(LOGIN)('GET', '/whoami')).status).toBe(401);
    for (const path of [`/users/${id}`, `/users/${id}/tokens`]) expect([path, (await root('GET', path)).status]).toEqual([path, 404]);
    expect((await root('GET', `/users?login=${LOGIN}`)).body).toEqual({ items: [] });
    expect((await root('GET', '/users')).text).not.toContain(id);
    expect((await root('PUT', `/users/${id}/password`, { body: { password: PASSWORD } })).status).toBe(404);
    expect((await root('DELETE', `/users/${id}`)).status).toBe(404);
  });

  it('leaves a login that nobody gets, told like any that is taken', async () => {
    const taken = await root('POST', '/users', { body: { login: 'root', password: PASSWORD } });
    const erased = await root('POST', '/users', { body: { login: LOGIN, password: PASSWORD } });
    expect([erased.status, erased.text]).toEqual([taken.status, taken.text]);
  });

  it('is not the last admin, and is erased by an admin', async () => {
    const [admin] = await api.db.database.sql<{ id: string }>(`SELECT principal_id AS id FROM access.principal WHERE login = 'root'`);
    expect((await root('DELETE', `/users/${admin?.id}`)).status).toBe(409);
    expect((await root('GET', '/whoami')).status).toBe(200);
    expect((await api.as('olga')('DELETE', `/users/${admin?.id}`)).status).toBe(403);
  });
});
