import { OciError } from '@waybill/oci';
import { everyRequest, PASSWORD, startManagement } from '../testing/management.js';
import type { Answer, Ask, ManagementUnderTest } from '../testing/management.js';
import { OPERATIONS } from './operations.js';

describe('attacks on the management API', () => {
  let api: ManagementUnderTest;
  let root: Ask;
  let olga: Ask;
  const made = async (answer: Promise<Answer>): Promise<string> => {
    const { status, body, text } = await answer;
    if (status !== 201) throw new Error(`expected 201: ${status} ${text}`);
    return String(body['id']);
  };
  const ownerOf = (organisation: string, login: string): Promise<string> =>
    made(root('POST', `/organisations/${organisation}/grants`, { body: { effect: 'allow', repositories: `${organisation}/**`, role: 'owner', subject: { kind: 'principal', login } } }));

  beforeAll(async () => {
    api = await startManagement();
    root = api.as('root');
    olga = api.as('olga');
    for (const login of ['alice', 'olga', 'victor']) await made(root('POST', '/users', { body: { login, password: PASSWORD } }));
    for (const name of ['acme', 'victim']) await made(root('POST', '/organisations', { body: { name } }));
    await ownerOf('acme', 'olga');
    await ownerOf('victim', 'victor');
  });
  afterAll(() => api.close());

  it('whoever did not log in gets the same 401 for everything, and no browser asks for a password', async () => {
    const answers = await Promise.all([...everyRequest('acme'), ...everyRequest('nowhere'), ['GET', '/not/there'] as const].map(([method, path]) => api.as('')(method, path)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
    expect(answers[0]?.headers.get('www-authenticate')).toBe('Bearer realm="waybill"');
    expect(answers[0]?.headers.get('set-cookie')).toBeNull();
  });

  it('CVE-2019-16097, CVE-2024-22278: nobody sets what is not theirs by naming it too', async () => {
    const { body } = await root('GET', '/users?login=alice');
    const [{ id }] = body['items'] as [{ id: string }];
    const alice = api.as('alice');
    expect((await alice('PUT', '/whoami/password', { body: { current: PASSWORD, password: 'battery staple correct', admin: true } })).status).toBe(400);
    expect((await alice('POST', '/whoami/tokens', { body: { name: 'x', principal: id } })).status).toBe(400);
    expect((await alice('PATCH', `/users/${id}`, { body: { admin: true } })).status).toBe(403);
    expect((await alice('POST', '/users', { body: { login: 'mallory', password: PASSWORD, admin: true } })).status).toBe(403);
    for (const extra of ['id', 'version', 'state', 'epoch', 'hash', '__proto__']) {
      expect((await root('PATCH', `/users/${id}`, { body: `{"networks":null,"${extra}":"active"}` })).status).toBe(400);
    }
    expect((await root('GET', `/users/${id}`)).body).toMatchObject({ admin: false, version: 1 });
  });

  it('every operation that takes a body refuses a member that it does not know', () => {
    for (const { id, body, query } of OPERATIONS) {
      for (const schema of [body, query]) {
        const issues = schema?.safeParse({ isAdmin: true }).error?.issues ?? [];
        if (schema !== undefined) expect([id, issues.some(({ code }) => code === 'unrecognized_keys')]).toEqual([id, true]);
      }
    }
  });

  it('CVE-2022-31667: an id of another organisation is worth nothing, whichever organisation stands in the path', async () => {
    const victor = api.as('victor');
    const robot = await made(victor('POST', '/organisations/victim/robots', { body: { name: 'ci' } }));
    const secret = await made(victor('POST', `/organisations/victim/robots/${robot}/secrets`, { body: { name: 'x' } }));
    const group = await made(victor('POST', '/organisations/victim/groups', { body: { name: 'staff' } }));
    const role = await made(victor('POST', '/organisations/victim/roles', { body: { name: 'releaser', actions: ['push'] } }));
    const grant = await made(victor('POST', '/organisations/victim/grants', { body: { effect: 'allow', repositories: 'victim/x', actions: ['pull'], subject: { kind: 'group', id: group } } }));
    const before = await api.db.database.sql('SELECT count(*) FROM es.event');
    const bodies: Record<string, unknown> = { PATCH: { name: 'mine' }, POST: { name: 'mine' }, PUT: { state: 'disabled' } };
    for (const organisation of ['acme', 'victim', '-']) {
      for (const [method, path] of everyRequest(organisation).filter(([, path]) => path.startsWith(`/organisations/${organisation}/`))) {
        const real = path.replace(/(robots|secrets|groups|members|roles|grants)\/[0-9a-f-]{36}/g, (_, kind: string) => `${kind}/${({ robots: robot, secrets: secret, groups: group, members: robot, roles: role, grants: grant } as Record<string, string>)[kind] ?? ''}`);
        if (organisation === 'acme' && real === path) continue;       // lists and makings of one's own
        const body = real.includes('roles') ? { actions: ['pull'] } : real.endsWith('grants') ? { effect: 'allow', repositories: '**', actions: ['pull'], subject: { kind: 'everybody' } } : real.includes('grants') ? { effect: 'deny' } : real.endsWith('members') ? { login: 'olga' } : bodies[method];
        const { status } = await olga(method, real, method === 'GET' || method === 'DELETE' ? {} : { body: real.endsWith('roles') ? { name: 'mine', actions: ['pull'] } : real.includes('robots/') && method === 'PATCH' ? { description: 'mine' } : body });
        expect([method, real, status]).toEqual([method, real, 404]);
      }
    }
    expect((await olga('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: '**', actions: ['pull'], subject: { kind: 'group', id: group } } })).status).toBe(400);
    expect((await olga('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: '**', role, subject: { kind: 'everybody' } } })).status).toBeGreaterThanOrEqual(400);
    expect((await olga('DELETE', `/whoami/tokens/${secret}`)).status).toBe(404);
    expect(await api.db.database.sql('SELECT count(*) FROM es.event')).toEqual(before);
  });

  it('CVE-2019-16919: a robot is made for one\'s own organisation, and is granted nothing in another', async () => {
    expect((await olga('POST', '/organisations/victim/robots', { body: { name: 'spy' } })).status).toBe(404);
    await made(olga('POST', '/organisations/acme/robots', { body: { name: 'ci' } }));
    expect((await api.as('victor')('POST', '/organisations/victim/grants', { body: { effect: 'allow', repositories: '**', actions: ['pull'], subject: { kind: 'principal', login: 'acme+ci' } } })).status).toBe(422);
  });

  it('a robot grows no rights: with every action granted it still makes no robot, grant, token or user', async () => {
    const robot = await made(olga('POST', '/organisations/acme/robots', { body: { name: 'greedy' } }));
    const { body } = await olga('POST', `/organisations/acme/robots/${robot}/secrets`, { body: { name: 'x' } });
    await made(olga('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: '**', role: 'owner', subject: { kind: 'principal', login: 'acme+greedy' } } }));
    const greedy = api.as('acme+greedy', String(body['secret']));
    const sent = { body: { name: 'x', login: 'x', current: 'x', password: 'x' } };
    for (const [method, path] of [['POST', '/organisations/acme/robots'], ['POST', '/organisations/acme/groups'], ['GET', '/organisations/acme/grants'], ['GET', '/organisations'], ['GET', '/users']] as const) {
      const answer = await greedy(method, path, method === 'GET' ? {} : { body: { name: 'x' } });
      expect([path, answer.status]).toEqual([path, 403]);
    }
    expect((await greedy('POST', '/whoami/tokens', { body: { name: 'x' } })).status).toBe(403);
    expect((await greedy('PUT', '/whoami/password', { body: { current: sent.body.current, password: sent.body.password } })).status).toBe(403);
    expect((await greedy('POST', '/repositories', { body: { name: 'acme/by-robot' } })).status).toBe(201);
    expect((await api.as('bearer', String(body['secret']))('GET', '/whoami')).status).toBe(401);
  });

  it('who manages some repositories manages no organisation, and one deny is enough not to', async () => {
    await made(root('POST', '/organisations/acme/grants', { body: { effect: 'allow', repositories: 'acme/web', actions: ['manage'], subject: { kind: 'principal', login: 'alice' } } }));
    expect((await api.as('alice')('GET', '/organisations/acme/grants')).status).toBe(404);
    await made(root('POST', '/users', { body: { login: 'dora', password: PASSWORD } }));
    await ownerOf('acme', 'dora');
    expect((await api.as('dora')('GET', '/organisations/acme/grants')).status).toBe(200);
    await made(root('POST', '/organisations/acme/grants', { body: { effect: 'deny', repositories: 'acme/vault', actions: ['manage'], subject: { kind: 'principal', login: 'dora' } } }));
    expect((await api.as('dora')('GET', '/organisations/acme/grants')).status).toBe(404);
  });

  it('an organisation of others and one that is not there are the same', async () => {
    const [others, none] = [await olga('GET', '/organisations/victim'), await olga('GET', '/organisations/nowhere')];
    expect([others.status, others.text]).toEqual([none.status, none.text]);
    expect((await olga('GET', '/organisations')).body).toMatchObject({ items: [{ name: 'acme' }] });
  });

  it('no list tells by where its pages end what is not for the caller to see', async () => {
    const names = ['victim/a-hidden', 'victim/b-hidden', 'victim/c', 'victim/d-hidden', 'victim/e'];
    for (const name of names) expect((await root('POST', '/repositories', { body: { name } })).status).toBe(201);
    const asked = async (path: string): Promise<unknown> => (await api.as('alice')('GET', path)).body;
    for (const query of ['limit=1', 'limit=2', 'limit=1&last=victim/a-hidden']) {
      expect([query, await asked(`/repositories?organisation=victim&${query}`)]).toEqual([query, await asked(`/repositories?organisation=nowhere&${query}`)]);
      expect([query, await asked(`/organisations?${query}`)]).toEqual([query, { items: [] }]);
    }
    for (const name of ['c', 'e']) await made(root('POST', '/organisations/victim/grants', { body: { effect: 'allow', repositories: `victim/${name}`, actions: ['list'], subject: { kind: 'principal', login: 'alice' } } }));
    expect(await asked('/repositories?organisation=victim&limit=1')).toEqual({ items: [expect.objectContaining({ name: 'victim/c' })], last: 'victim/c' });
    expect(await asked('/repositories?organisation=victim&limit=1&last=victim/c')).toEqual({ items: [expect.objectContaining({ name: 'victim/e' })] });
    expect((await olga('GET', '/organisations?limit=1')).body).toEqual({ items: [expect.objectContaining({ name: 'acme' })] });
  });

  it('who manages what is below library/ does not manage all that has one segment', async () => {
    await made(root('POST', '/organisations', { body: { name: 'library' } }));
    const own = (repositories: string): Promise<string> => made(root('POST', '/organisations/library/grants', { body: { effect: 'allow', repositories, role: 'owner', subject: { kind: 'principal', login: 'olga' } } }));
    await own('library/**');
    expect((await olga('PATCH', '/repositories/debian', { body: { visibility: 'public' } })).status).toBe(404);
    expect((await olga('GET', '/organisations/library/grants')).status).toBe(404);
    await own('**');
    expect((await olga('GET', '/organisations/library/grants')).status).toBe(200);
  });

  it('CVE-2019-19025: a page of another site changes nothing', async () => {
    const sent = { body: { login: 'forged', password: PASSWORD } };
    expect((await root('POST', '/users', { ...sent, headers: { 'Sec-Fetch-Site': 'cross-site' } })).status).toBe(403);
    expect((await root('POST', '/users', { ...sent, headers: { 'Sec-Fetch-Site': 'same-site' } })).status).toBe(403);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain;application/json', 'application/jsonp']) {
      expect((await root('POST', '/users', { ...sent, headers: { 'Content-Type': type } })).status).toBe(415);
    }
    expect((await root('GET', '/users?login=forged')).body).toEqual({ items: [] });
    expect((await root('GET', '/whoami')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('guessing is slowed here too, for passwords and for tokens', async () => {
    const status = async (ask: Ask): Promise<number> => (await ask('GET', '/whoami')).status;
    const statuses: number[] = [];
    for (let n = 0; n < 14; n++) statuses.push(await status(api.as('guessed', `wrong ${n}`)));
    expect(statuses).toEqual([...Array<number>(10).fill(401), 429, 429, 429, 429]);
    const slowed = await api.as('guessed', 'again')('GET', '/whoami');
    expect(Number(slowed.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(slowed.body).toMatchObject({ code: 'TOOMANYREQUESTS', status: 429 });
    for (let n = 0; n < 14; n++) statuses.push(await status(api.as('bearer', `wbl_pat_${n}`)));
    expect(statuses.slice(-4)).toEqual([429, 429, 429, 429]);
    // nobody behind the same address is locked out by that
    const { body } = await root('POST', '/whoami/tokens', { body: { name: 'mine' } });
    expect(await status(api.as('bearer', String(body['secret'])))).toBe(200);
    expect(await status(root)).toBe(200);
  });

  it('who may send no more is told so before anything is done', async () => {
    const admitted: string[] = [];
    const limited = await startManagement({
      admit: ({ principal }) => {
        admitted.push(principal);
        if (admitted.length > 1) throw new OciError('TOOMANYREQUESTS');
      },
    });
    try {
      const send = async (name: string, secret?: string): Promise<number> => (await limited.as('root', secret)('POST', '/organisations', { body: { name } })).status;
      expect([await send('none', 'not it'), await send('one'), await send('two')]).toEqual([401, 201, 429]);
      expect(await limited.db.database.sql('SELECT t.name FROM access.organisation JOIN reg.tenant t USING (tenant_id)')).toEqual([{ name: 'one' }]);
      expect(new Set(admitted).size).toBe(1);
    } finally {
      await limited.close();
    }
  });

  it('ids, names and paths that are nothing are 404 and never an error of ours', async () => {
    for (const path of ['/users/x', '/users/1', `/users/${'0'.repeat(36)}`, '/users/%00', '/organisations/acme/robots/..', '/repositories/..%2f..', '/repositories/%E0%A4%A', '/repositories/', '/organisations/A/robots', '/organisations/%2e%2e/robots', '/organisations/a%2Fb/robots']) {
      expect([path, (await root('GET', path)).status]).toEqual([path, 404]);
    }
    for (const query of ['/organisations?last=%00', '/users?login=a%00', '/repositories?organisation=%00', '/audit?actor=%00', '/access:explain?repository=acme/web&action=pull&principal=%00']) {
      expect([query, (await root('GET', query)).status]).toEqual([query, 400]);
    }
    for (const body of [{ name: '\0' }, { name: 'x', networks: ['\0'] }]) expect((await root('POST', '/organisations', { body })).status).toBe(400);
  });

  it('the last admin cannot be locked out', async () => {
    const { body } = await root('GET', '/whoami');
    expect((await root('PATCH', `/users/${String(body['id'])}`, { body: { admin: false } })).status).toBe(409);
    expect((await root('PUT', `/users/${String(body['id'])}/state`, { body: { state: 'disabled' } })).status).toBe(409);
    // nor be left to lock itself out some day
    const until = '2999-01-01T00:00:00Z';
    expect((await root('PATCH', `/users/${String(body['id'])}`, { body: { until } })).status).toBe(409);
    const other = await made(root('POST', '/users', { body: { login: 'deputy', password: PASSWORD, admin: true } }));
    expect((await root('PATCH', `/users/${other}`, { body: { until } })).status).toBe(200);
    expect((await root('PATCH', `/users/${String(body['id'])}`, { body: { admin: false } })).status).toBe(409);
  });
});
