import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hash } from 'bcrypt';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { Scope } from '@waybill/oci';
import { Metrics, openLogger, startHttp, TrustedProxies } from '@waybill/platform';
import type { RunningHttp } from '@waybill/platform';
import { RawConnection, temporaryFolder } from '@waybill/testing';
import type { AccessEntry } from './claims.js';
import { HtpasswdIdentityProvider } from './htpasswd/index.js';
import type { Identity } from './identity-provider.js';
import { tokenEndpoints } from './token-endpoints.js';
import { TokenIssuer } from './token-issuer.js';
import { TokenService } from './token-service.js';
import type { TokenIssued } from './token-service.js';
import { LEEWAY } from './token-verifier.js';

const OWN = 'registry.example';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = { current: () => ({ kid: 'k1', key: privateKey }), publicKeys: () => [{ kid: 'k1', publicKey: publicKey.export({ format: 'jwk' }) }] };
const basic = (login: string, secret: string): Record<string, string> => ({ Authorization: `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}` });
/** What a certificate would say of whoever is in this header. */
const CERTIFICATE_ENDS = new Date(Math.floor(Date.now() / 1000) * 1000 + 200_000);
const scope = (name: string, actions = 'pull'): string => `scope=repository:${name}:${actions}`;

/** Refresh tokens of one process; those of the database have their own spec. */
class ProcessRefreshTokens {
  readonly owners = new Map<string, { readonly identity: Identity; readonly service: string }>();
  issue(owner: { readonly identity: Identity; readonly service: string }): Promise<string> {
    const secret = `wbl_${randomBytes(20).toString('hex')}`;
    this.owners.set(secret, owner);
    return Promise.resolve(secret);
  }
  redeem(secret: string, service: string): Promise<Identity | undefined> {
    const owner = this.owners.get(secret);
    return Promise.resolve(owner?.service === service ? owner.identity : undefined);
  }
}

/** Whoever logged in may do what was asked for in `acme/`, and nobody else anything. */
function granting(identity: Identity | undefined, scopes: readonly Scope[]): Promise<{ readonly access: readonly AccessEntry[] }> {
  return Promise.resolve({ access: identity === undefined ? [] : scopes.filter(({ name }) => name.startsWith('acme/')).map((scope) => ({ ...scope, actions: [...scope.actions] })) });
}

const refreshTokens = new ProcessRefreshTokens();
const issued: TokenIssued[] = [];
const refused: unknown[] = [];
let people: HtpasswdIdentityProvider;
let http: RunningHttp;
let url = '';
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const folder = await temporaryFolder('tokens');
  const file = join(folder.path, 'htpasswd');
  await writeFile(file, `alice:${await hash('right', 4)}\nbob:${await hash('right', 4)}\n`);
  const { logger } = openLogger({ level: 'silent' });
  people = new HtpasswdIdentityProvider({ path: file, log: logger });
  await people.start();
  const issuer = new TokenIssuer(keys, { issuer: 'https://registry.example', ownService: OWN, lifetime: 300 });
  const tokens = new TokenService({ issuer, identities: people, refreshTokens, granting, services: [OWN, 'other.example'], find: (login) => people.find(login), issued: (token) => issued.push(token) });
  http = await startHttp({
    module: class {},
    handlers: {},
    guard: () => undefined,
    endpoints: tokenEndpoints({ tokens, keys, certified: ({ request: { headers } }) => (typeof headers['x-named'] === 'string' ? { login: headers['x-named'], expires: CERTIFICATE_ENDS } : undefined), trusted: new TrustedProxies([]), refused: (error) => refused.push(error) }),
    address: { host: '127.0.0.1', port: 0 },
    logger,
    metrics: new Metrics(),
    checks: [],
  });
  url = `http://127.0.0.1:${http.address.port}`;
  ends.push(() => http.close(), () => Promise.resolve(people.stop()), () => folder.remove());
});
afterAll(async () => {
  for (const end of ends) await end();
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function get(query: string, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await fetch(`${url}/token${query}`, { headers });
  return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) };
}

async function post(fields: string, type = 'application/x-www-form-urlencoded; charset=utf-8'): Promise<Answer> {
  const answer = await fetch(`${url}/token`, { method: 'POST', body: fields, headers: { 'Content-Type': type } });
  return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) };
}

/** The claims, by the published keys alone. */
async function claims({ body }: Answer, audience = OWN): Promise<Record<string, unknown>> {
  const jwks = createLocalJWKSet(JSON.parse(await (await fetch(`${url}/.well-known/jwks.json`)).text()));
  return (await jwtVerify(String(body['access_token']), jwks, { audience, issuer: 'https://registry.example' })).payload;
}

describe('GET /token', () => {
  it('answers docker login: a token and a refresh token, which no cache may keep', async () => {
    const answer = await get(`?account=alice&client_id=docker&offline_token=true&service=${OWN}`, basic('alice', 'right'));
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ token: answer.body['access_token'], access_token: expect.any(String), expires_in: 300, refresh_token: expect.stringMatching(/^wbl_/) });
    expect([answer.headers.get('cache-control'), answer.headers.get('content-type')]).toEqual(['no-store', 'application/json']);
    expect(await claims(answer)).toMatchObject({ sub: 'alice', access: [], waybill: { principal: 'htpasswd:alice', kind: 'htpasswd' } });
  });

  it('grants what was asked for and is allowed, and no more: scopes repeated, and in one value', async () => {
    const access = [{ type: 'repository', name: 'acme/a', actions: ['pull', 'push'] }, { type: 'repository', name: 'acme/b', actions: ['pull'] }];
    expect(await claims(await get(`?service=${OWN}&${scope('acme/a', 'pull,push')}&${scope('acme/b')}&${scope('other/c')}`, basic('alice', 'right')))).toMatchObject({ access });
    expect(await claims(await get(`?service=${OWN}&scope=repository:acme/a:pull,push%20repository:acme/b:pull`, basic('alice', 'right')))).toMatchObject({ access });
  });

  it('gives a token to whoever does not log in, and to Basic credentials that name nobody; it grants nothing and is not to be renewed', async () => {
    for (const headers of [{}, basic('', '')]) {
      const answer = await get(`?service=${OWN}&offline_token=true&${scope('acme/a')}`, headers);
      expect([answer.status, answer.body['refresh_token']]).toEqual([200, undefined]);
      expect(await claims(answer)).toMatchObject({ sub: '', access: [], waybill: { principal: '', kind: 'anonymous' } });
    }
  });

  it('gives a token to whom a certificate names, no longer than that lasts and not to be renewed, unless there are credentials', async () => {
    const answer = await get(`?service=${OWN}&offline_token=true&${scope('acme/a')}`, { 'X-Named': 'alice' });
    expect([answer.status, answer.body['refresh_token']]).toEqual([200, undefined]);
    expect(await claims(answer)).toMatchObject({ sub: 'alice', access: [{ name: 'acme/a' }], exp: CERTIFICATE_ENDS.getTime() / 1000 - LEEWAY });
    expect(issued.at(-1)).toMatchObject({ cause: 'certificate', identity: { login: 'alice' } });
    expect(await claims(await get(`?service=${OWN}`, { 'X-Named': 'alice', ...basic('bob', 'right') }))).toMatchObject({ sub: 'bob' });
    expect((await get('', { 'X-Named': 'alice', ...basic('bob', 'wrong') })).status).toBe(401);
    expect(await claims(await get(`?service=${OWN}`, { 'X-Named': 'alice', ...basic('', '') }))).toMatchObject({ sub: 'alice' });
  });

  it('gives none to a certificate of nobody, and says no more than of wrong credentials', async () => {
    const answer = await get('', { 'X-Named': 'nobody' });
    expect([answer.status, answer.body['error'], answer.headers.get('www-authenticate')]).toEqual([401, 'invalid_grant', `Basic realm="${OWN}"`]);
    const form = await fetch(`${url}/token`, { method: 'POST', headers: { 'X-Named': 'alice' }, body: new URLSearchParams({ grant_type: 'password', client_id: 'x', username: 'alice', password: 'wrong' }) });
    expect(form.status).toBe(401);
  });

  it('believes the credentials and not the account', async () => {
    expect(await claims(await get(`?account=bob&service=${OWN}`, basic('alice', 'right')))).toMatchObject({ sub: 'alice' });
    expect(await claims(await get(`?account=bob&service=${OWN}`))).toMatchObject({ sub: '' });
  });

  it('refuses wrong credentials in both forms that clients read, the same for a user that there is and one that there is not', async () => {
    const [wrong, unknown] = [await get('', basic('alice', 'wrong')), await get('', basic('nobody', 'wrong'))];
    expect(wrong.status).toBe(401);
    expect(wrong.body).toEqual({ error: 'invalid_grant', error_description: expect.any(String), errors: [{ code: 'UNAUTHORIZED', message: wrong.body['error_description'] }] });
    expect([wrong.headers.get('www-authenticate'), wrong.headers.get('cache-control')]).toEqual([`Basic realm="${OWN}"`, 'no-store']);
    expect({ ...unknown, headers: undefined }).toEqual({ ...wrong, headers: undefined });
    expect([...unknown.headers.keys()]).toEqual([...wrong.headers.keys()]);
  });

  it('gives out tokens for the services that it is told of, and no other', async () => {
    const foreign = await get(`?service=other.example&${scope('acme/a', 'pull,push')}`, basic('alice', 'right'));
    expect(await claims(foreign, 'other.example')).toMatchObject({ sub: 'alice', access: [{ actions: ['pull'] }] });
    await expect(claims(foreign)).rejects.toThrow('aud');
    const refusal = await get('?service=evil.example', basic('alice', 'right'));
    expect([refusal.status, refusal.body['error']]).toEqual([400, 'invalid_request']);
  });

  it('answers the same for a repository that is missing and for one that is forbidden', async () => {
    const [missing, forbidden] = [await get(`?service=${OWN}&${scope('other/missing')}`, basic('alice', 'right')), await get(`?service=${OWN}&${scope('other/private')}`, basic('alice', 'right'))];
    for (const answer of [missing, forbidden]) expect(await claims(answer)).toMatchObject({ access: [] });
    expect([...missing.headers.keys()]).toEqual([...forbidden.headers.keys()]);
  });
});

describe('POST /token', () => {
  const login = `grant_type=password&client_id=containerd-client&username=alice&password=right&service=${OWN}`;

  it('answers the password grant as containerd and helm send it', async () => {
    const answer = await post(`${login}&${scope('acme/a', 'push,pull')}&${scope('other/b')}`);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', scope: 'repository:acme/a:push,pull', expires_in: 300 });
    expect([answer.headers.get('cache-control'), answer.headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(await claims(answer)).toMatchObject({ sub: 'alice', access: [{ name: 'acme/a' }] });
  });

  it('renews by the refresh token, which stays the same, for its own service only', async () => {
    const { body: { refresh_token: token } } = await post(`${login}&access_type=offline`);
    const again = await post(`grant_type=refresh_token&client_id=docker&refresh_token=${token}&service=${OWN}&access_type=offline&${scope('acme/a')}`);
    expect(again.body).toMatchObject({ refresh_token: token, scope: 'repository:acme/a:pull' });
    expect(await claims(again)).toMatchObject({ sub: 'alice' });
    expect((await post(`grant_type=refresh_token&client_id=docker&refresh_token=${token}&service=${OWN}`)).body).not.toHaveProperty('refresh_token');
    const elsewhere = await post(`grant_type=refresh_token&client_id=docker&refresh_token=${token}&service=other.example`);
    expect([elsewhere.status, elsewhere.body['error']]).toEqual([401, 'invalid_grant']);
  });

  it('gives a token no longer than the account lasts, or the secret that it was asked for with', async () => {
    const until = new Date(Math.floor(Date.now() / 1000) * 1000 + 100_000);
    refreshTokens.owners.set('wbl_ending', { identity: { id: 'p', login: 'alice', kind: 'user', admin: false, groups: [], epoch: 0, until }, service: OWN });
    const answer = await post(`grant_type=refresh_token&client_id=docker&refresh_token=wbl_ending&service=${OWN}`);
    expect((await claims(answer))['exp']).toBe(until.getTime() / 1000 - LEEWAY);
  });

  it('takes a refresh token nowhere else: not as a password, not as a bearer token', async () => {
    const { body: { refresh_token: token } } = await post(`${login}&access_type=offline`);
    expect((await get('', basic('alice', String(token)))).status).toBe(401);
    expect((await get('', { Authorization: `Bearer ${token}` })).status).toBe(401);
    expect((await post(`grant_type=password&client_id=c&username=alice&password=${token}`)).status).toBe(401);
    expect((await post(`grant_type=refresh_token&client_id=c&refresh_token=right`)).status).toBe(401);
  });

  it('refuses in the forms of the registry and of RFC 6749', async () => {
    for (const [fields, type, error] of [
      ['grant_type=password', undefined, 'invalid_request'],
      ['grant_type=authorization_code&client_id=c', undefined, 'unsupported_grant_type'],
      ['{}', 'application/json', 'invalid_request'],
      // what a form of another site may send without asking, and what is no form, with everything right in it
      [login, 'text/plain', 'invalid_request'],
      [login, 'application/json', 'invalid_request'],
      [`grant_type=password&client_id=c&username=a&password=${'x'.repeat(40_000)}`, undefined, 'invalid_request'],
      [`${login}&scope=${'repository:a:pull+'.repeat(101)}`, undefined, 'invalid_request'],
    ] as const) {
      const { status, body, headers } = await post(fields, type);
      expect([status, body['error'], body['errors']]).toEqual([400, error, [{ code: 'UNSUPPORTED', message: body['error_description'] }]]);
      expect(headers.get('cache-control')).toBe('no-store');
    }
    expect(refused.length).toBeGreaterThan(5);
  });

  it('refuses a body without end after its limit, without waiting for the rest', async () => {
    const connection = await RawConnection.open(url);
    connection.write(`POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (let i = 0; i < 3; i += 1) connection.write(`4000\r\n${'a'.repeat(0x4000)}\r\n`);
    expect(await connection.status()).toBe(400);
    connection.destroy();
  });
});

describe('the endpoint', () => {
  it('answers GET and POST, and names them', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'HEAD']) {
      const answer = await fetch(`${url}/token`, { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, POST']);
    }
  });

  it('refuses two Authorization headers, of which a proxy might read the other one', async () => {
    const connection = await RawConnection.open(url);
    connection.write(`GET /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${basic('alice', 'right')['Authorization']}\r\nAuthorization: ${basic('bob', 'right')['Authorization']}\r\n\r\n`);
    expect(await connection.status()).toBe(400);
    connection.destroy();
  });

  it('tells of every token that it gave out: by whom, for what, and nothing secret', async () => {
    issued.length = 0;
    const answer = await get(`?service=${OWN}&${scope('acme/a')}`, basic('alice', 'right'));
    expect(issued).toEqual([{ id: (await claims(answer))['jti'], cause: 'password', identity: expect.objectContaining({ login: 'alice' }), service: OWN, access: [expect.objectContaining({ name: 'acme/a' })], address: '127.0.0.1' }]);
    expect(JSON.stringify(issued)).not.toMatch(/right|eyJ/);
  });
});

describe('/.well-known/jwks.json', () => {
  it('gives the public halves alone, to be kept for a while, and says when they did not change', async () => {
    const answer = await fetch(`${url}/.well-known/jwks.json`);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, max-age=300']);
    expect(await answer.json()).toEqual({ keys: [{ kty: 'EC', crv: 'P-256', x: expect.any(String), y: expect.any(String), kid: 'k1', use: 'sig', alg: 'ES256' }] });
    const again = await fetch(`${url}/.well-known/jwks.json`, { headers: { 'If-None-Match': answer.headers.get('etag') ?? '' } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    expect((await fetch(`${url}/.well-known/jwks.json`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}/.well-known/jwks.json`, { method: 'HEAD' })).status).toBe(200);
  });
});
