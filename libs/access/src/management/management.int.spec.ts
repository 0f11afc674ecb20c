import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PASSWORD, startManagement } from '../testing/management.js';
import type { Answer, Ask, ManagementUnderTest } from '../testing/management.js';

const NEW_PASSWORD = 'battery staple correct';

describe('the management API', () => {
  let api: ManagementUnderTest;
  let root: Ask;
  const made = async (answer: Promise<Answer>): Promise<string> => {
    const { status, body, text } = await answer;
    if (status !== 201) throw new Error(`expected 201: ${status} ${text}`);
    return String(body['id']);
  };
  const events = async (): Promise<{ readonly type: string; readonly data: Record<string, unknown>; readonly meta: Record<string, unknown> }[]> =>
    api.db.database.sql('SELECT type, data, meta FROM es.event ORDER BY gpos');

  beforeAll(async () => {
    api = await startManagement();
    root = api.as('root');
    for (const login of ['alice', 'bob', 'olga']) await made(root('POST', '/users', { body: { login, password: PASSWORD } }));
    for (const name of ['acme', 'other']) await made(root('POST', '/organisations', { body: { name } }));
    // olga owns acme
    await made(root('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: '**', role: 'owner', subject: { kind: 'principal', login: 'olga' } } }));
  });
  afterAll(() => api.close());

  it('lets in by password, by personal token as a password, and by personal token alone', async () => {
    const { body } = await api.as('alice')('POST', '/whoami/tokens', { body: { name: 'laptop' } });
    const token = String(body['secret']);
    expect(token).toMatch(/^wbl_pat_/);
    for (const ask of [api.as('alice'), api.as('alice', token), api.as('bearer', token)]) expect((await ask('GET', '/whoami')).body).toMatchObject({ login: 'alice', kind: 'user', admin: false });
    expect((await api.as('bearer', token)('DELETE', `/whoami/tokens/${String(body['id'])}`)).status).toBe(200);
    for (const ask of [api.as('alice', token), api.as('bearer', token)]) expect((await ask('GET', '/whoami')).status).toBe(401);
  });

  it('answers errors as problems, with a code for programs and words for people', async () => {
    const { status, headers, body } = await root('POST', '/users', { body: { login: 'Alice!' } });
    expect(status).toBe(422);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toEqual({ title: 'Unprocessable Entity', status: 422, code: 'invalid', detail: expect.stringMatching(/"Alice!" is no login/) });
    expect((await root('GET', '/nowhere')).body).toMatchObject({ status: 404, code: 'not_found' });
    const wrongMethod = await root('DELETE', '/users');
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'GET, POST']);
    expect((await root('POST', '/users', { body: '{"login":' })).body).toMatchObject({ status: 400, detail: expect.stringMatching(/^body: it is not JSON/) });
    expect((await root('POST', '/users', { body: `{"login":"${'x'.repeat(70_000)}"}` })).status).toBe(413);
  });

  it('lets users change their own password with the current one, and no more with the old one', async () => {
    const bob = api.as('bob');
    expect((await bob('PUT', '/whoami/password', { body: { current: 'not it', password: NEW_PASSWORD } })).status).toBe(400);
    expect((await bob('PUT', '/whoami/password', { body: { current: PASSWORD, password: 'short' } })).status).toBe(422);
    expect((await bob('PUT', '/whoami/password', { body: { current: PASSWORD, password: NEW_PASSWORD } })).status).toBe(200);
    expect((await bob('GET', '/whoami')).status).toBe(401);
    expect((await api.as('bob', NEW_PASSWORD)('GET', '/whoami')).status).toBe(200);
  });

  it('makes by a personal token with an end none that outlasts it', async () => {
    const end = new Date(Date.now() + 600_000);
    const make = (ask: Ask, expiresAt?: Date | null): Promise<Answer> => ask('POST', '/whoami/tokens', { body: { name: 'made', ...(expiresAt === undefined ? {} : { expiresAt }) } });
    const { body } = await make(api.as('alice'), end);
    for (const found of [api.as('bearer', String(body['secret'])), api.as('alice', String(body['secret']))]) {
      expect((await make(found, new Date(end.getTime() + 1000))).status).toBe(400);
      for (const expiresAt of [undefined, null, end]) {
        const made = await make(found, expiresAt);
        const { items } = z.object({ items: z.array(z.object({ id: z.string(), expiresAt: z.string().nullable() })) }).parse((await api.as('alice')('GET', '/whoami/tokens')).body);
        expect([made.status, items.find(({ id }) => id === made.body['id'])?.expiresAt]).toEqual([201, end.toISOString()]);
      }
    }
    const { body: endless } = await make(api.as('alice'));
    expect((await make(api.as('bearer', String(endless['secret'])), null)).status).toBe(201);
  });

  it('ends with a personal token all that were made by it, and says through what each was made', async () => {
    const make = async (ask: Ask, name: string): Promise<{ readonly id: string; readonly ask: Ask }> => {
      const { body } = await ask('POST', '/whoami/tokens', { body: { name } });
      return { id: String(body['id']), ask: api.as('bearer', String(body['secret'])) };
    };
    const stolen = await make(api.as('alice'), 'stolen');
    const thief = await make(stolen.ask, 'of a thief');
    const again = await make(thief.ask, 'of a thief, again');
    const { items } = z.object({ items: z.array(z.object({ id: z.string(), maker: z.string().nullable() })) }).parse((await api.as('alice')('GET', '/whoami/tokens')).body);
    expect([stolen, thief, again].map(({ id }) => items.find((item) => item.id === id)?.maker)).toEqual([null, stolen.id, thief.id]);
    const headers = { 'Idempotency-Key': 'stolen' };
    for (let i = 0; i < 2; i += 1) expect(await api.as('alice')('DELETE', `/whoami/tokens/${stolen.id}`, { headers })).toMatchObject({ status: 200, body: { id: stolen.id, version: 2, tookAlong: 2 } });
    for (const { ask } of [stolen, thief, again]) expect((await ask('GET', '/whoami')).status).toBe(401);
    const [{ id: alice }] = z.object({ items: z.tuple([z.object({ id: z.string() })]) }).parse((await root('GET', '/users?login=alice')).body).items;
    const [first, second] = [await make(api.as('alice'), 'one'), await make(api.as('alice'), 'two')];
    const made = await make(first.ask, 'three');
    expect(await root('DELETE', `/users/${alice}/tokens/${first.id}`)).toMatchObject({ status: 200, body: { tookAlong: 1 } });
    expect((await Promise.all([first, made, second].map(({ ask }) => ask('GET', '/whoami')))).map(({ status }) => status)).toEqual([401, 401, 200]);
  });

  it('does not take a personal token for the current password', async () => {
    const { body } = await api.as('alice')('POST', '/whoami/tokens', { body: { name: 'stolen' } });
    const token = String(body['secret']);
    expect((await api.as('bearer', token)('PUT', '/whoami/password', { body: { current: token, password: NEW_PASSWORD } })).status).toBe(400);
  });

  it('rotates a robot\'s secret: two live at a time, no third, and the first is revoked when the second is in use', async () => {
    const olga = api.as('olga');
    const robot = await made(olga('POST', '/organisations/acme/robots', { body: { name: 'ci', description: 'pipelines' } }));
    const secrets = `/organisations/acme/robots/${robot}/secrets`;
    const [first, second] = [await olga('POST', secrets, { body: { name: 'one' } }), await olga('POST', secrets, { body: { name: 'two' } })];
    expect((await olga('POST', secrets, { body: { name: 'three' } })).status).toBe(409);
    for (const { body } of [first, second]) expect((await api.as('acme+ci', String(body['secret']))('GET', '/whoami')).body).toMatchObject({ login: 'acme+ci', kind: 'robot' });
    expect((await olga('DELETE', `${secrets}/${String(first.body['id'])}`)).status).toBe(204);
    expect((await api.as('acme+ci', String(first.body['secret']))('GET', '/whoami')).status).toBe(401);
    expect((await api.as('acme+ci', String(second.body['secret']))('GET', '/whoami')).status).toBe(200);
    expect((await olga('GET', secrets)).text).not.toContain('wbl_');
  });

  it('explains who may do what, by which grant, and why not', async () => {
    const group = await made(root('POST', '/organisations/acme/groups', { body: { name: 'developers' } }));
    await made(root('POST', `/organisations/acme/groups/${group}/members`, { body: { login: 'alice' } }));
    const grant = await made(root('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: 'acme/web', role: 'developer', subject: { kind: 'group', id: group } } }));
    const ask = async (as: Ask, query: string): Promise<Readonly<Record<string, unknown>>> => (await as('GET', `/access:explain?${query}`)).body;
    expect(await ask(root, 'principal=alice&repository=acme/web&action=push')).toMatchObject({ allowed: true, grant, answer: expect.stringMatching(/^alice may push acme\/web: grant .* the group developers is allowed/) });
    expect(await ask(api.as('alice'), 'repository=acme/web&action=delete')).toMatchObject({ allowed: false, because: 'none', near: [{ grant, why: expect.stringMatching(/delete is not one of its actions$/) }] });
    expect(await ask(api.as('olga'), 'principal=alice&repository=acme/db&action=pull')).toMatchObject({ allowed: false });
    expect(await ask(root, 'principal=&repository=acme/web&action=pull')).toMatchObject({ allowed: false, answer: 'whoever did not log in may not pull acme/web: no grant allows it' });
    expect(await ask(api.as('alice'), 'principal=olga&repository=acme/web&action=pull')).toMatchObject({ status: 403 });
    const deny = await made(root('POST', '/organisations/acme/grants', { body: { effect: 'deny', repositories: 'acme/**', actions: ['push'], subject: { kind: 'principal', login: 'alice' } } }));
    expect(await ask(root, 'principal=alice&repository=acme/web&action=push')).toMatchObject({ allowed: false, because: 'deny', grant: deny, near: [{ grant }] });
    expect((await root('DELETE', `/organisations/acme/grants/${deny}`)).status).toBe(204);
    expect(await ask(root, 'principal=alice&repository=acme/web&action=push')).toMatchObject({ allowed: true });
  });

  it('explains how it was at a moment in the past, from the log', async () => {
    const moments: string[] = [];
    const mark = async (): Promise<void> => {
      const [row] = await api.db.database.sql<{ now: Date }>('SELECT clock_timestamp() AS now');
      moments.push(row?.now.toISOString() ?? '');
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    };
    const olga = api.as('olga');
    expect((await olga('POST', '/repositories', { body: { name: 'acme/past' } })).status).toBe(201);
    await mark();                                                                                                   // 0: nothing
    await made(root('POST', '/users', { body: { login: 'paul', password: PASSWORD } }));
    const group = await made(olga('POST', '/organisations/acme/groups', { body: { name: 'historians' } }));
    const role = await made(olga('POST', '/organisations/acme/roles', { body: { name: 'archivist', actions: ['pull'] } }));
    const [{ id: member }] = z.object({ items: z.tuple([z.object({ id: z.string() })]) }).parse((await root('GET', '/users?login=paul')).body).items;
    await made(olga('POST', `/organisations/acme/groups/${group}/members`, { body: { login: 'paul' } }));
    const grant = await made(olga('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: 'acme/past', role, subject: { kind: 'group', id: group } } }));
    await mark();                                                                                                   // 1: pull, by the role
    expect((await olga('PATCH', `/organisations/acme/roles/${role}`, { body: { actions: ['push'] } })).status).toBe(200);
    await mark();                                                                                                   // 2: push, by the changed role
    expect((await olga('PATCH', `/organisations/acme/groups/${group}`, { body: { name: 'chroniclers' } })).status).toBe(200);
    expect((await olga('DELETE', `/organisations/acme/groups/${group}/members/${member}`)).status).toBe(204);
    expect((await olga('PATCH', '/repositories/acme/past', { body: { visibility: 'public' } })).status).toBe(200);
    await mark();                                                                                                   // 3: pull, as everybody
    expect((await olga('PATCH', '/repositories/acme/past', { body: { visibility: 'private' } })).status).toBe(200);
    const ask = async (action: string, moment?: string, principal = 'paul'): Promise<Readonly<Record<string, unknown>>> =>
      (await olga('GET', `/access:explain?principal=${principal}&repository=acme/past&action=${action}${moment === undefined ? '' : `&as_of=${moment}`}`)).body;
    const allowed = async (action: string): Promise<unknown[]> => [...(await Promise.all(moments.map((moment) => ask(action, moment)))), await ask(action)].map((answer) => answer['allowed']);
    expect(await allowed('pull')).toEqual([false, true, false, true, false]);
    expect(await allowed('push')).toEqual([false, false, true, false, false]);
    expect(await ask('pull', moments[1])).toMatchObject({ grant, answer: expect.stringMatching(/the group chroniclers is allowed pull/) });
    expect(await ask('pull', moments[3], '')).toMatchObject({ allowed: true });
    expect(await ask('pull', moments[2], '')).toMatchObject({ allowed: false });
    expect(await ask('pull', 'yesterday')).toMatchObject({ status: 400 });
  });

  it('answers for this moment from the log as from the tables', async () => {
    for (const principal of ['alice', 'olga', 'bob', '']) {
      for (const repository of ['acme/web', 'acme/db', 'other/x']) {
        const ask = async (more: string): Promise<string> => (await root('GET', `/access:explain?principal=${principal}&repository=${repository}&action=push${more}`)).text;
        expect(await ask(`&as_of=${new Date(Date.now() + 1000).toISOString()}`)).toBe(await ask(''));
      }
    }
  });

  it('makes repositories, lists those that one may list, and makes them public and private', async () => {
    const olga = api.as('olga');
    expect(await olga('POST', '/repositories', { body: { name: 'acme/secret/plans' } })).toMatchObject({ status: 201, body: { name: 'acme/secret/plans', visibility: 'private' } });
    expect((await olga('POST', '/repositories', { body: { name: 'acme/secret/plans' } })).status).toBe(409);
    expect((await olga('POST', '/repositories', { body: { name: 'other/x' } })).status).toBe(403);
    expect((await olga('GET', '/repositories?organisation=acme')).text).toContain('acme/secret/plans');
    expect((await api.as('alice')('GET', '/repositories?organisation=acme')).text).not.toContain('acme/secret');
    const [hidden, missing] = [await api.as('alice')('GET', '/repositories/acme/secret/plans'), await api.as('alice')('GET', '/repositories/acme/nothing')];
    expect([hidden.status, hidden.text]).toEqual([missing.status, missing.text]);
    const { headers } = await olga('GET', '/repositories/acme%2Fsecret%2Fplans');
    expect((await olga('PATCH', '/repositories/acme/secret/plans', { body: { visibility: 'public' }, headers: { 'If-Match': String(headers.get('etag')) } })).status).toBe(200);
    expect((await api.as('alice')('GET', '/repositories/acme/secret/plans')).body).toMatchObject({ visibility: 'public' });
    expect((await api.as('alice')('PATCH', '/repositories/acme/secret/plans', { body: { visibility: 'private' } })).status).toBe(403);
  });

  it('makes a repository once under an idempotency key', async () => {
    const olga = api.as('olga');
    const sent = (name: string, key = 'a-repository') => olga('POST', '/repositories', { body: { name }, headers: { 'Idempotency-Key': key } });
    const before = (await events()).length;
    const [first, second] = await Promise.all([sent('acme/once'), sent('acme/once')]);
    expect([first.status, second.status, second.text]).toEqual([201, 201, first.text]);
    expect((await events()).length).toBe(before + 1);
    expect([(await sent('acme/once', 'another')).status, (await sent('acme/twice')).status]).toEqual([409, 422]);
    // what was refused holds no key
    expect((await sent('acme/other', 'another')).status).toBe(201);
    expect((await root('DELETE', '/repositories/acme/once')).status).toBe(204);
    expect((await sent('acme/once')).status).toBe(404);
  });

  it('lists as those of library what has one segment, and no organisation has its own name for a repository', async () => {
    for (const name of ['acme', 'library/one', 'acmes/two']) expect((await root('POST', '/repositories', { body: { name } })).status).toBe(201);
    const names = async (organisation: string): Promise<readonly string[]> => z.object({ items: z.array(z.object({ name: z.string() })) }).parse((await root('GET', `/repositories?organisation=${organisation}`)).body).items.map(({ name }) => name);
    expect([await names('library'), await names('acmes')]).toEqual([['acme', 'library/one'], ['acmes/two']]);
    expect(await names('acme')).not.toContain('acme');
  });

  it('changes only the version that If-Match names, and says which there is', async () => {
    const group = await made(root('POST', '/organisations/-/groups', { body: { name: 'everyone-here' } }));
    const path = `/organisations/-/groups/${group}`;
    const { headers } = await root('GET', path);
    expect(headers.get('etag')).toBe('"1"');
    const renamed = await root('PATCH', path, { body: { name: 'all' }, headers: { 'If-Match': '"1"' } });
    expect([renamed.status, renamed.headers.get('etag')]).toEqual([200, '"2"']);
    expect((await root('PATCH', path, { body: { name: 'nobody' }, headers: { 'If-Match': '"1"' } })).status).toBe(412);
    for (const match of ['1', 'W/"2"', '"x"', '"1", "2"']) expect((await root('PATCH', path, { body: { name: 'nobody' }, headers: { 'If-Match': match } })).status).toBe(400);
    expect((await root('GET', path)).body).toMatchObject({ name: 'all', version: 2 });
    expect((await root('PATCH', path, { body: { name: 'later' }, headers: { 'If-Match': '*' } })).status).toBe(200);
  });

  it('refuses a condition that the operation would not keep, rather than ignore it', async () => {
    expect((await root('POST', '/repositories', { body: { name: 'acme/k' }, headers: { 'If-Match': '"1"' } })).status).toBe(400);
    expect((await root('POST', '/organisations', { body: { name: 'k' }, headers: { 'If-Match': '"1"' } })).status).toBe(400);
    expect((await root('GET', '/users', { headers: { 'If-Match': '"1"' } })).status).toBe(400);
    expect((await root('POST', '/organisations', { body: { name: 'k' }, headers: { 'Idempotency-Key': 'with space' } })).status).toBe(400);
    expect((await root('GET', '/organisations/k')).status).toBe(404);
  });

  it('carries a request out once under its key, and refuses another request under it', async () => {
    const key = { 'Idempotency-Key': 'pipeline-7' };
    const send = (name: string): Promise<Answer> => root('POST', '/organisations/acme/groups', { body: { name }, headers: key });
    const [first, again] = [await send('testers'), await send('testers')];
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body['id']).toBe(first.body['id']);
    expect((await send('others')).status).toBe(422);
    expect((await api.as('olga')('POST', '/organisations/acme/groups', { body: { name: 'olgas' }, headers: key })).status).toBe(201);
    const token = (): Promise<Answer> => api.as('alice')('POST', '/whoami/tokens', { body: { name: 'once' }, headers: key });
    const [shown, repeated] = [await token(), await token()];
    expect(shown.body['secret']).toMatch(/^wbl_pat_/);
    expect(repeated.body).toEqual({ id: shown.body['id'], version: 1 });
  });

  it('keeps of a request with a password nothing that the password could be guessed from quickly', async () => {
    await made(root('POST', '/users', { body: { login: 'kim', password: PASSWORD } }));
    const key = { 'Idempotency-Key': 'change-1' };
    const body = JSON.stringify({ current: PASSWORD, password: NEW_PASSWORD });
    expect((await api.as('kim')('PUT', '/whoami/password', { body, headers: key })).status).toBe(200);
    const newUser = JSON.stringify({ login: 'kay', password: PASSWORD });
    const [first, again] = [await root('POST', '/users', { body: newUser, headers: key }), await root('POST', '/users', { body: newUser, headers: key })];
    expect([first.status, again.status, again.body['id']]).toEqual([201, 201, first.body['id']]);
    expect((await root('POST', '/users', { body: JSON.stringify({ login: 'kay', password: NEW_PASSWORD }), headers: key })).status).toBe(422);
    const rows = await api.db.database.sql<{ fingerprint: string }>(`SELECT fingerprint FROM access.command WHERE key = 'change-1'`);
    const fast = [`changeOwnPassword /api/v1/whoami/password\n${body}`, `createUser /api/v1/users\n${newUser}`, body, newUser].map((text) => createHash('sha256').update(text).digest('hex'));
    expect(rows).toHaveLength(2);
    for (const { fingerprint } of rows) expect(fast).not.toContain(fingerprint);
  });

  it('gives lists in pages that join without a gap', async () => {
    for (let n = 0; n < 5; n++) await made(root('POST', '/organisations/other/groups', { body: { name: `g${n}` } }));
    const names: string[] = [];
    const page = z.object({ items: z.array(z.object({ name: z.string() })), last: z.string().optional() });
    for (let last: string | undefined = ''; last !== undefined;) {
      const { items, last: next }: z.infer<typeof page> = page.parse((await root('GET', `/organisations/other/groups?limit=2&last=${last}`)).body);
      names.push(...items.map(({ name }) => name));
      last = next;
    }
    expect(names).toEqual(['g0', 'g1', 'g2', 'g3', 'g4']);
    for (const query of ['limit=0', 'limit=1001', 'limit=-1', 'limit=x', 'limit=1&limit=2', 'unknown=1']) expect((await root('GET', `/organisations/other/groups?${query}`)).status).toBe(400);
  });

  it('appends an event for every change, with before and after, who did it, and in which request', async () => {
    const robot = await made(api.as('olga')('POST', '/organisations/acme/robots', { body: { name: 'nightly' } }));
    const olga = String((await api.as('olga')('GET', '/whoami')).body['id']);
    const changed = await api.as('olga')('PATCH', `/organisations/acme/robots/${robot}`, { body: { description: 'at night' }, headers: { 'X-Request-Id': 'request-9' } });
    expect(changed.status).toBe(200);
    expect((await events()).at(-1)).toMatchObject({
      type: 'RobotChanged', data: { principal: robot, before: { description: null }, after: { description: 'at night' } }, meta: { actor_ref: olga, auth_kind: 'user', request_id: 'request-9' },
    });
  });

  it('holds nothing secret in events and in answers, but for the one that shows a new secret', async () => {
    const log = JSON.stringify(await events());
    const shown = api.texts.flatMap((text) => text.match(/wbl_\w+/g) ?? []);
    expect(shown.length).toBeGreaterThan(4);
    expect(new Set(shown).size).toBe(shown.length);
    for (const secret of [...shown, PASSWORD, NEW_PASSWORD, '$argon2']) expect(log).not.toContain(secret);
    for (const secret of [PASSWORD, NEW_PASSWORD, '$argon2']) expect(api.texts.join('\n')).not.toContain(secret);
  });
});
