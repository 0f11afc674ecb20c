import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { LEEWAY } from '@waybill/access';
import { CertificateAuthority, hasOpenssl } from '@waybill/platform/testing';
import { parseRepositoryName } from '@waybill/oci';
import type { Issue, Issued } from '@waybill/platform/testing';
import { RegistryProcess } from '@waybill/testing';
import { CertifiedClient } from './certified-client.js';
import type { CertifiedAnswer } from './certified-client.js';
import { CERTIFIED, ORDER, type SecuredRegistry } from './secured-registry.js';
import { basic } from './token-client.js';

/** Seconds in which whatever is taken back is gone everywhere. */
const GONE_WITHIN = 5;
type Headers = Readonly<Record<string, string>>;
const BEHIND: readonly Headers[] = [{}, { 'X-Forwarded-For': '192.0.2.1' }, { 'X-Forwarded-For': '127.0.0.1', 'X-Forwarded-Proto': 'https', Connection: 'X-Forwarded-For' }];
const OF_A_PAGE: readonly Headers[] = [{ 'Sec-Fetch-Site': 'cross-site' }, { 'Sec-Fetch-Site': 'same-site' }, { Origin: 'https://evil.example' }, { Origin: 'null' }];
const tags = (repository: string): string => `/v2/${repository}/tags/list`;
const claimsOf = (text: unknown): Readonly<Record<string, unknown>> => JSON.parse(Buffer.from(String(text).split('.')[1] ?? '', 'base64url').toString());
/** What of an answer a stranger sees. */
const seen = ({ status, headers, text }: CertifiedAnswer): unknown => [status, headers['www-authenticate'], text];

function describeCertificates(): void {
  describe.each(CERTIFIED)('a client certificate, %s', (_name, start) => {
    let [authority, foreign]: CertificateAuthority[] = [];
    let secured: SecuredRegistry;
    let nobody: CertifiedClient;
    let alice: CertifiedClient;
    const issue = (commonName: string, more: Partial<Issue> = {}): Promise<Issued> => authority?.issue({ commonName, usage: 'clientAuth', ...more }) ?? Promise.reject(new Error('no authority'));
    const as = async (commonName: string, more: Partial<Issue> = {}): Promise<CertifiedClient> => nobody.as(await issue(commonName, more));
    const user = (login: string, more: { readonly networks?: readonly string[] } = {}): Promise<{ id: string }> => secured.users.create(ORDER, { login, password: `a password of ${login}`, ...more });

    beforeAll(async () => {
      [authority, foreign] = [await CertificateAuthority.create(), await CertificateAuthority.create('another')];
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1'], usage: 'serverAuth' });
      const tls = { WAYBILL_HTTP_TLS_CERT_FILE: certFile, WAYBILL_HTTP_TLS_KEY_FILE: keyFile, WAYBILL_HTTP_TLS_CLIENT_CERTS: 'request', WAYBILL_HTTP_TLS_CLIENT_CA_FILE: authority.certFile };
      secured = await start(tls, { WAYBILL_AUTH_CLIENT_CERTIFICATES_LOGIN: 'commonName' });
      nobody = new CertifiedClient(secured.registry.baseUrl, authority.certFile);
      const { id } = await user('alice');
      for (const name of ['acme/app', 'secret/app']) await secured.repositories.create(ORDER, parseRepositoryName(name));
      await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/**', actions: ['pull', 'push'] });
      alice = await as('alice');
    }, 180_000);
    afterAll(async () => {
      await secured.close();
      await Promise.all([authority?.remove(), foreign?.remove()]);
    });

    it('stands in the place of a token: what grants allow, and nothing else', async () => {
      expect((await alice.get(tags('acme/app'))).status).toBe(200);
      expect((await alice.send('POST', '/v2/acme/app/blobs/uploads/', { 'Content-Length': '0' })).status).toBe(202);
      for (const path of [tags('secret/app'), tags('secret/none'), '/v2/_catalog']) expect([path, (await alice.get(path)).status]).toEqual([path, 401]);
      expect((await alice.send('DELETE', `/v2/acme/app/blobs/sha256:${'0'.repeat(64)}`)).status).toBe(401);
    });

    it('leaves the challenge of /v2/ to clients, which get a token by it: of its user, for no longer than it lasts, without one to refresh', async () => {
      expect(seen(await alice.get('/v2/'))).toEqual(seen(await nobody.get('/v2/')));
      const { status, body } = await alice.token(['repository:acme/app:pull,push', 'repository:secret/app:pull']);
      expect([status, 'refresh_token' in body]).toEqual([200, false]);
      expect(claimsOf(body['token'])).toMatchObject({ sub: 'alice', access: [{ name: 'acme/app', actions: ['pull', 'push'] }], waybill: { kind: 'user' } });
      const soon = new Date(Date.now() + 100_000);
      const ending = await (await as('alice', { to: `${soon.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z` })).token();
      expect(claimsOf(ending.body['token'])['exp']).toBe(Math.floor(soon.getTime() / 1000) - LEEWAY);
    });

    it('gives its user a token that ends with the account, by certificate as by password', async () => {
      const until = new Date(Math.floor(Date.now() / 1000) * 1000 + 100_000);
      await secured.users.change(ORDER, (await user('ending')).id, { until });
      const answer = await (await as('ending')).token();
      expect([answer.status, claimsOf(answer.body['token'])['exp']]).toEqual([200, until.getTime() / 1000 - LEEWAY]);
    });

    it('says nothing where the request has a login of its own', async () => {
      await user('bob');
      expect(claimsOf((await alice.token([], basic('bob', 'a password of bob'))).body['token'])).toMatchObject({ sub: 'bob' });
      expect((await alice.token([], basic('bob', 'another'))).status).toBe(401);
      expect((await alice.get(tags('acme/app'), { Authorization: 'Bearer of.no.use' })).status).toBe(401);
    });

    it('of a robot opens what the robot was granted in its own organisation', async () => {
      const { id } = await secured.robots.create(ORDER, 'acme', 'ci');
      await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: '**', actions: ['pull'] });
      const robot = await as('acme\\+ci');
      expect((await robot.get(tags('acme/app'))).status).toBe(200);
      expect((await robot.get(tags('secret/app'))).status).toBe(401);
      expect(claimsOf((await robot.token(['repository:acme/app:pull', 'repository:secret/app:pull'])).body['token'])).toMatchObject({ sub: 'acme+ci', access: [{ name: 'acme/app', actions: ['pull'] }], waybill: { kind: 'robot' } });
    });

    it('opens nothing within five seconds after its user was disabled, on every replica, nor does what it was given', async () => {
      const [{ id }, carol] = [await user('carol'), await as('carol')];
      await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/**', actions: ['pull'] });
      const { body } = await carol.token(['repository:acme/app:pull']);
      const asked = [(): Promise<CertifiedAnswer> => carol.get(tags('acme/app')), (): Promise<CertifiedAnswer> => nobody.get(tags('acme/app'), { Authorization: `Bearer ${body['token']}` })];
      for (const ask of asked) for (let i = 0; i < 6; i += 1) expect((await ask()).status).toBe(200);
      await secured.users.setState(ORDER, id, 'disabled');
      const begun = performance.now();
      for (let refusals = 0; refusals < 8; await delay(20)) {
        const statuses = await Promise.all(asked.map(async (ask) => (await ask()).status));
        refusals = statuses.every((status) => status === 401) ? refusals + 1 : 0;
        if (performance.now() - begun > 20_000) throw new Error(`it is still good: ${statuses.join(' ')}`);
      }
      expect((performance.now() - begun) / 1000).toBeLessThan(GONE_WITHIN);
    });

    describe('an attack', () => {
      it('nobody learns whether a certificate names somebody: unknown, disabled, of elsewhere and without any rights look alike', async () => {
        const { id } = await user('dora');
        await secured.users.setState(ORDER, id, 'disabled');
        await user('erin', { networks: ['192.0.2.0/24'] });
        const clients: CertifiedClient[] = [];
        for (const name of ['unknown', 'dora', 'erin']) clients.push(await as(name));
        for (const path of ['/v2/', tags('acme/app'), tags('none/at/all'), `/v2/acme/app/manifests/v1`]) {
          const expected = seen(await nobody.get(path));
          for (const client of clients) expect([path, seen(await client.get(path))]).toEqual([path, expected]);
        }
        const answers = await Promise.all(clients.map(async (client) => seen(await client.token(['repository:acme/app:pull']))));
        expect(answers[0]).toMatchObject([401, expect.stringContaining('Basic'), expect.any(String)]);
        expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      });

      it.each<[string, () => Promise<Issued | undefined>]>([
        ['of a foreign authority', () => foreign?.issue({ commonName: 'alice' }) ?? Promise.resolve(undefined)],
        ['signed by itself', () => issue('alice', { selfSigned: true })],
        ['that has expired', () => issue('alice', { from: '20200101000000Z', to: '20200102000000Z' })],
        ['that is not valid yet', () => issue('alice', { from: '20400101000000Z', to: '20400102000000Z' })],
        ['with two names, one of which is an admin\'s', () => issue('alice+CN=admin')],
        ['with an admin\'s name behind a line\'s end', () => issue('nobody\nCN = admin')],
        ['with a robot\'s name of two organisations', () => issue('evil\\+acme\\+ci')],
        ['with its login in another field', () => issue('x', { names: ['email:alice', 'DNS:alice', 'URI:alice'] })],
      ])('a certificate %s opens nothing', async (_case, made) => {
        const client = nobody.as(await made());
        expect((await client.get(tags('acme/app'))).status).toBe(401);
        const { status, body } = await client.token(['repository:acme/app:pull', 'registry:catalog:*']);
        if (status === 200) expect(claimsOf(body['token'])).toMatchObject({ sub: '', access: [] });
        else expect(status).toBe(401);
      });

      it('a header that claims to be a verified certificate is dropped, whoever it comes from, and so is one beside a real certificate', async () => {
        const der = readFileSync((await issue('admin')).certFile, 'utf8').replaceAll(/-----[^-]*-----|\s/g, '');
        const escaped = encodeURIComponent(readFileSync((await issue('admin')).certFile, 'utf8'));
        for (const value of [`:${der}:`, escaped]) {
          for (const more of BEHIND) {
            const headers = { 'Client-Cert': value, 'Client-Cert-Chain': value, 'X-SSL-Client-Cert': value, ...more };
            expect((await nobody.get('/v2/_catalog', headers)).status).toBe(401);
            expect(claimsOf((await nobody.token(['registry:catalog:*'], headers)).body['token'])).toMatchObject({ sub: '', access: [] });
            expect((await alice.get('/v2/_catalog', headers)).status).toBe(401);
            expect(claimsOf((await alice.token(['registry:catalog:*'], headers)).body['token'])).toMatchObject({ sub: 'alice', access: [] });
          }
        }
      });

      it('a page of another site that makes a browser send its certificate gets nothing by it', async () => {
        for (const headers of OF_A_PAGE) {
          expect((await alice.send('POST', '/v2/acme/app/blobs/uploads/', { 'Content-Length': '0', ...headers })).status).toBe(401);
          expect(claimsOf((await alice.token(['repository:acme/app:pull'], headers)).body['token'])).toMatchObject({ sub: '' });
        }
      });

      it('the management API takes no certificate', async () => {
        expect((await (await as('admin')).get('/api/v1/whoami')).status).toBe(401);
      });
    });
  });
}

function describeHtpasswd(): void {
  describe('a client certificate where users stand in an htpasswd file', () => {
    it('lets in whom the file has, and nobody else', async () => {
      const authority = await CertificateAuthority.create();
      const users = join(authority.folder, 'users');
      await writeFile(users, 'alice:$2b$04$T1n1bnBasRYbbnAGdO/xPOjopSgP4OJdhp9zTmXf2cJRQNSP2lsAa\n');
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1'], usage: 'serverAuth' });
      const tls = { WAYBILL_HTTP_TLS_CERT_FILE: certFile, WAYBILL_HTTP_TLS_KEY_FILE: keyFile, WAYBILL_HTTP_TLS_CLIENT_CERTS: 'request', WAYBILL_HTTP_TLS_CLIENT_CA_FILE: authority.certFile };
      const registry = await RegistryProcess.start({ settings: { ...tls, WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: users, WAYBILL_AUTH_CLIENT_CERTIFICATES_LOGIN: 'email', WAYBILL_AUTH_CLIENT_CERTIFICATES_SUFFIX: '@example.org' } });
      const nobody = new CertifiedClient(registry.baseUrl, authority.certFile);
      const as = async (email: string): Promise<CertifiedClient> => nobody.as(await authority.issue({ commonName: 'x', names: [`email:${email}`], usage: 'clientAuth' }));
      const [alice, mallory, other] = [await as('alice@example.org'), await as('mallory@example.org'), await as('alice@example.net')];
      expect([(await alice.get('/v2/')).status, (await alice.send('POST', '/v2/acme/app/blobs/uploads/', { 'Content-Length': '0' })).status]).toEqual([200, 202]);
      for (const path of ['/v2/', tags('acme/app')]) for (const client of [mallory, other]) expect([path, seen(await client.get(path))]).toEqual([path, seen(await nobody.get(path))]);
      expect(seen(await nobody.get('/v2/'))).toMatchObject([401, 'Basic realm="Waybill"', expect.any(String)]);
      await registry.stop();
      await authority.remove();
    });
  });
}

jest.setTimeout(120_000);
if (hasOpenssl()) {
  describeCertificates();
  describeHtpasswd();
}
else it.skip('openssl is missing', () => undefined);
