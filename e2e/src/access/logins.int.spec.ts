import { setTimeout as delay } from 'node:timers/promises';
import { buildContent, pushContent, RegistryClient } from '@waybill/testing';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic, claimsOf, TokenClient } from './token-client.js';

const ADMIN = ['admin', ADMIN_PASSWORD] as const;
const ALICE = ['alice', 'a password of alice'] as const;
/** Seconds in which whatever is taken back is gone everywhere. */
const GONE_WITHIN = 5;

describe.each(SECURED)('a login, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let tokens: TokenClient;
  let alice: string;
  const at = (path: string, headers: Readonly<Record<string, string>> = {}, base = secured.registry.baseUrl): Promise<Response> => fetch(`${base}${path}`, { headers });
  const tags = (repository: string): string => `/v2/${repository}/tags/list`;

  beforeAll(async () => {
    secured = await start();
    tokens = new TokenClient(secured.registry.baseUrl);
    await new Pusher(secured.registry.baseUrl).push('acme/app', await tokens.bearer(ADMIN, 'repository:acme/app:pull,push'));
    await new Pusher(secured.registry.baseUrl).push('secret/app', await tokens.bearer(ADMIN, 'repository:secret/app:pull,push'));
    alice = (await secured.users.create(ORDER, { login: ALICE[0], password: ALICE[1] })).id;
    await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id: alice }, effect: 'allow', repositories: 'acme/**', actions: ['pull'] });
  }, 120_000);
  afterAll(() => secured.close());

  describe('a login', () => {
    it('is asked for, at the address that the client came to', async () => {
      const answer = await at('/v2/');
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, `Bearer realm="${secured.registry.baseUrl}/token",service="${tokens.service}"`]);
      expect((await at(tags('acme/app'))).headers.get('www-authenticate')).toMatch(/scope="repository:acme\/app:pull"$/);
    });

    it('gives a token that opens what the grants allow, and nothing else', async () => {
      const answer = await tokens.get(ALICE, ['repository:acme/app:pull,push', 'repository:secret/app:pull']);
      expect(claimsOf(answer)).toMatchObject({ sub: 'alice', access: [{ type: 'repository', name: 'acme/app', actions: ['pull'] }] });
      const headers = { Authorization: `Bearer ${answer.body['token']}` };
      expect((await at(tags('acme/app'), headers)).status).toBe(200);
      expect((await fetch(`${secured.registry.baseUrl}/v2/acme/app/blobs/uploads/`, { method: 'POST', headers })).status).toBe(401);
      expect((await at(tags('secret/app'), headers)).status).toBe(401);
      expect((await at('/v2/', headers)).status).toBe(200);
    });

    it('is good at every replica', async () => {
      const headers = await tokens.bearer(ALICE, 'repository:acme/app:pull');
      for (const replica of secured.replicas) expect([200, 404]).toContain((await at(tags('acme/app'), headers, replica.baseUrl)).status);
      for (let i = 0; i < 10; i += 1) expect((await at(tags('acme/app'), await tokens.bearer(ALICE, 'repository:acme/app:pull'))).status).toBe(200);
    });

    it('works with a personal token and with the secret of a robot, which is named as such', async () => {
      const personal = await secured.credentials.issue(ORDER, alice, 'pat', 'laptop');
      expect(claimsOf(await tokens.get([ALICE[0], personal.secret ?? '']))).toMatchObject({ sub: 'alice', waybill: { credential: personal.id } });
      const { id } = await secured.robots.create(ORDER, 'acme', 'ci');
      const { secret = '' } = await secured.credentials.issue(ORDER, id, 'robot', 'first');
      expect(claimsOf(await tokens.get(['acme+ci', secret]))).toMatchObject({ sub: 'acme+ci', waybill: { kind: 'robot' } });
    });

    it('is renewed by the refresh token at any replica, for its own service, until the password changes', async () => {
      const login = await tokens.post({ grant_type: 'password', username: ALICE[0], password: ALICE[1], access_type: 'offline' });
      const token = String(login.body['refresh_token']);
      const renew = (more: Readonly<Record<string, string>> = {}): Promise<{ status: number; body: Readonly<Record<string, unknown>> }> => tokens.post({ grant_type: 'refresh_token', refresh_token: token, access_type: 'offline', ...more });
      for (let i = 0; i < 4; i += 1) expect((await renew({ scope: 'repository:acme/app:pull' })).body).toMatchObject({ refresh_token: token, scope: 'repository:acme/app:pull' });
      expect((await renew({ service: 'other.example' })).status).toBe(400);
      await secured.users.setPassword(ORDER, alice, 'another password of alice');
      expect((await renew()).status).toBe(401);
      await secured.users.setPassword(ORDER, alice, ALICE[1]);
      expect((await renew()).status).toBe(401);
    });

    it('is counted, by how it came about', async () => {
      await tokens.get(undefined);
      const processes = 'tokens' in secured.registry && Array.isArray(secured.registry.tokens) ? secured.registry.tokens : secured.replicas;
      const texts = await Promise.all(processes.map(async ({ metricsUrl }) => (await fetch(`${metricsUrl}/metrics`)).text()));
      expect(texts.join('\n')).toMatch(/waybill_tokens_issued_total\{cause="anonymous"\} [1-9]/);
      expect(texts.join('\n')).toMatch(/waybill_http_requests_total\{kind="token",code="200"\} [1-9]/);
    });
  });

  describe('what is taken back', () => {
    /** Of a token that was good a moment ago: until no replica takes it. */
    async function refusedEverywhere(headers: Readonly<Record<string, string>>): Promise<number> {
      const begun = performance.now();
      for (;;) {
        const statuses = await Promise.all(secured.replicas.map(async ({ baseUrl }) => (await at('/v2/', headers, baseUrl)).status));
        if (statuses.every((status) => status === 401)) return (performance.now() - begun) / 1000;
        if (performance.now() - begun > 20_000) throw new Error(`It is still good: ${statuses.join(' ')}`);
        await delay(50);
      }
    }

    async function bob(): Promise<{ id: string; login: readonly [string, string] }> {
      const login = `bob-${Math.random().toString(36).slice(2, 8)}`;
      return { id: (await secured.users.create(ORDER, { login, password: 'a password of bob' })).id, login: [login, 'a password of bob'] };
    }

    it('a user: within five seconds no replica takes a token of theirs, nor do they get another', async () => {
      const { id, login } = await bob();
      const headers = await tokens.bearer(login);
      expect((await at('/v2/', headers)).status).toBe(200);
      await secured.users.setState(ORDER, id, 'disabled');
      expect(await refusedEverywhere(headers)).toBeLessThan(GONE_WITHIN);
      expect((await tokens.get(login)).status).toBe(401);
    });

    it('a personal token: those that it got are gone, and those of the password stay', async () => {
      const { id, login } = await bob();
      const personal = await secured.credentials.issue(ORDER, id, 'pat', 'laptop');
      const [byToken, byPassword] = [await tokens.bearer([login[0], personal.secret ?? '']), await tokens.bearer(login)];
      await secured.credentials.revoke(ORDER, id, personal.id);
      expect(await refusedEverywhere(byToken)).toBeLessThan(GONE_WITHIN);
      expect((await at('/v2/', byPassword)).status).toBe(200);
    });

    it('a personal token: those that were made through it are gone too, with what they got', async () => {
      const { login } = await bob();
      const api = async (method: string, path: string, secret: string, body?: object): Promise<Readonly<Record<string, unknown>>> => {
        const answer = await fetch(`${secured.registry.baseUrl}/api/v1${path}`, {
          method, headers: { ...basic(login[0], secret), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const read: unknown = await answer.json();
        return { status: answer.status, ...(typeof read === 'object' ? read : {}) };
      };
      const stolen = await api('POST', '/whoami/tokens', login[1], { name: 'stolen' });
      const thief = String((await api('POST', '/whoami/tokens', String(stolen['secret']), { name: 'of a thief' }))['secret']);
      const again = String((await api('POST', '/whoami/tokens', thief, { name: 'again' }))['secret']);
      const headers = await tokens.bearer([login[0], again]);
      const { body } = await tokens.get([login[0], again], [], '&offline_token=true');
      expect((await at('/v2/', headers)).status).toBe(200);
      expect(await api('DELETE', `/whoami/tokens/${String(stolen['id'])}`, login[1])).toMatchObject({ status: 200, tookAlong: 2 });
      expect(await refusedEverywhere(headers)).toBeLessThan(GONE_WITHIN);
      expect([(await tokens.get([login[0], again])).status, (await api('GET', '/whoami', thief))['status']]).toEqual([401, 401]);
      expect((await tokens.post({ grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) })).status).toBe(401);
    });

    it('what a grant gave that ends by itself: within five seconds of its end no replica takes a token that says it', async () => {
      const { id, login } = await bob();
      const until = new Date(Date.now() + 3_000);
      await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/app', actions: ['pull'], until });
      const headers = await tokens.bearer(login, 'repository:acme/app:pull');
      expect((await at(tags('acme/app'), headers)).status).toBe(200);
      await refusedEverywhere(headers);
      expect(Date.now() - until.getTime()).toBeLessThan(GONE_WITHIN * 1000);
      // a token ends with a whole second, the grant up to one later
      await delay(Math.max(0, until.getTime() - Date.now()) + 100);
      expect(claimsOf(await tokens.get(login, ['repository:acme/app:pull']))).toMatchObject({ access: [] });
    });

    it('a grant: a token that says it is gone, and the next one says it no more', async () => {
      const { id, login } = await bob();
      const grant = await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/app', actions: ['pull'] });
      const headers = await tokens.bearer(login, 'repository:acme/app:pull');
      expect((await at(tags('acme/app'), headers)).status).toBe(200);
      await secured.grants.revoke(ORDER, grant.id);
      expect(await refusedEverywhere(headers)).toBeLessThan(GONE_WITHIN);
      expect(claimsOf(await tokens.get(login, ['repository:acme/app:pull']))).toMatchObject({ access: [] });
    });
  });

  describe('an attack', () => {
    it('an account that is another than the login changes nothing', async () => {
      expect(claimsOf(await tokens.get(ALICE, ['repository:secret/app:pull'], '&account=admin'))).toMatchObject({ sub: 'alice', access: [] });
    });

    it.each([
      'repository:acme/app:pull repository:secret/app:pull', 'repository:acme/app:pull,repository:secret/app:pull', 'repository:acme/app","actions":["*"]},{"name":"secret/app:pull', 'repository:acme/../secret/app:pull',
      'repository:*:pull', 'repository:**:*', 'repository:secret/*:pull', 'repository:acme%2F..%2Fsecret/app:pull', 'repository::pull', 'registry:catalog:*', 'repository:acme/app:*,delete,manage', 'repository(plugin):secret/app:*', 'repository:SECRET/app:pull', 'repository:secret/app:pull\n',
    ])('a scope that is more than it seems grants no more: %j', async (scope) => {
      const { access } = claimsOf(await tokens.get(ALICE, [scope]));
      expect(Array.isArray(access)).toBe(true);
      for (const entry of Array.isArray(access) ? access : []) expect(entry).toEqual({ type: 'repository', name: 'acme/app', actions: ['pull'] });
    });

    it('a token for one repository opens none whose name begins the same', async () => {
      const headers = await tokens.bearer(ADMIN, 'repository:acme/app:pull');
      for (const repository of ['acme/apps', 'acme/app/sub', 'acme', 'secret/app']) expect((await at(tags(repository), headers)).status).toBe(401);
    });

    it('a refresh token is no bearer token and no password', async () => {
      const { body } = await tokens.get(ALICE, [], '&offline_token=true');
      const token = String(body['refresh_token']);
      expect(token).toMatch(/^wbl_/);
      expect((await at('/v2/', { Authorization: `Bearer ${token}` })).status).toBe(401);
      expect((await tokens.get(['alice', token])).status).toBe(401);
      expect((await tokens.get([token, token])).status).toBe(401);
      expect((await tokens.post({ grant_type: 'password', username: 'alice', password: token })).status).toBe(401);
    });

    it('a password is no bearer token and opens nothing below /v2/ by itself', async () => {
      expect((await at('/v2/', basic(...ALICE))).status).toBe(401);
      expect((await at('/v2/', { Authorization: `Bearer ${ALICE[1]}` })).status).toBe(401);
    });

    it('a token for a service that is none of ours is not given out', async () => {
      const answer = await fetch(`${secured.registry.baseUrl}/token?service=other.example`, { headers: basic(...ALICE) });
      expect([answer.status, JSON.parse(await answer.text())]).toEqual([400, expect.objectContaining({ error: 'invalid_request' })]);
    });

    it('what is missing and what is forbidden are the same, at the token service and below /v2/', async () => {
      const look = async (name: string): Promise<unknown> => {
        const answer = await tokens.get(ALICE, [`repository:${name}:pull`]);
        const refused = await at(tags(name), { Authorization: `Bearer ${answer.body['token']}` });
        const headers = Object.fromEntries([...refused.headers].filter(([header]) => header !== 'date'));
        return JSON.parse(JSON.stringify([answer.status, claimsOf(answer)['access'], Object.keys(answer.body), refused.status, headers, await refused.text()]).replaceAll(name, 'NAME'));
      };
      expect(await look('secret/nil')).toEqual(await look('secret/app'));
      expect(await look('nobody/nil')).toEqual(await look('secret/app'));
    });
  });
});

/** Pushes with a token. */
class Pusher extends RegistryClient {
  async push(repository: string, headers: Readonly<Record<string, string>>): Promise<void> {
    const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
    const send = this.send.bind(this);
    this.send = (request) => send({ ...request, headers: { ...request.headers, ...headers } });
    await pushContent(this, repository, content, { v1: 'app' });
    this.close();
  }
}
