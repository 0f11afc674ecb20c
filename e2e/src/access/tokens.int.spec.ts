import { jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { SERVICE, TestIssuer } from '@waybill/access/testing';
import { PgDatabase } from '@waybill/platform';
import { blobFixture, buildContent, locationOf, openUpload, pushBlob, pushContent, RawConnection } from '@waybill/testing';
import type { HttpAnswer, RegistryClient } from '@waybill/testing';
import { GuardedRegistry, REALM, statementCounts, TOPOLOGIES } from './guarded-registry.js';

jest.setTimeout(120_000);

/** Everything of an answer that could tell something; not when it was sent, and not which request it was. */
function seen(answer: HttpAnswer): unknown {
  const { date: _date, ...headers } = answer.headers;
  return { status: answer.status, headers, body: answer.body.toString() };
}

/** Every way to look at a repository without changing it. */
const looks = (repository: string, digest: string): readonly [string, string][] => [
  ['GET', `/v2/${repository}/manifests/v1`], ['HEAD', `/v2/${repository}/manifests/v1`], ['GET', `/v2/${repository}/manifests/${digest}`], ['GET', `/v2/${repository}/blobs/${digest}`], ['HEAD', `/v2/${repository}/blobs/${digest}`],
  ['GET', `/v2/${repository}/tags/list`], ['GET', `/v2/${repository}/referrers/${digest}`], ['DELETE', `/v2/${repository}/manifests/v1`], ['DELETE', `/v2/${repository}/blobs/${digest}`], ['PUT', `/v2/${repository}/manifests/v1`],
  ['POST', `/v2/${repository}/blobs/uploads/`], ['PATCH', `/v2/${repository}/blobs/uploads/AAAAaaaa0000-_-_`], ['GET', `/v2/${repository}/_oci/ext/discover`],
];

describe.each(TOPOLOGIES)('tokens of another server, %s', (topology) => {
  let registry: GuardedRegistry;
  /** Private, of alice; the other name is nobody's. */
  const [secret, missing] = ['team/secret', 'team/absent'];
  const content = buildContent({ blobs: { config: { random: 200 }, layer: { random: 1000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });
  const layer = content.blob('layer').digest;
  const name = (): string => `test/${randomUUID().slice(0, 13)}`;

  beforeAll(async () => {
    registry = await GuardedRegistry.start(topology);
    await pushContent(registry.as('alice', `${secret}:pull,push`), secret, content, { v1: 'image' });
  });
  afterAll(() => registry.stop());

  const statuses = async (client: RegistryClient, requests: readonly [string, string][]): Promise<readonly number[]> => Promise.all(requests.map(async ([method, path]) => (await client.send({ method, path })).status));

  describe('existence is told to nobody (section 7 points 7 and 8)', () => {
    it.each([['without a token', undefined], ['with an anonymous one', []], ['with one for other repositories', ['team/secrets:pull', 'team:pull,push,delete', 'team/secret/x:*']]])('%s, a repository that is there is answered as one that is not: status, headers and body', async (_, rights) => {
      const client = rights === undefined ? registry.with(undefined) : registry.as('', ...rights);
      const [there, absent] = [looks(secret, layer), looks(missing, layer)];
      for (const [i, [method, path]] of there.entries()) {
        const [one, other] = [await client.send({ method, path }), await client.send({ method, path: absent[i]?.[1] ?? '' })];
        expect(one.status).toBe(401);
        expect(JSON.stringify(seen(one)).replaceAll(secret, missing).replaceAll('team/secret', 'team/absent')).toBe(JSON.stringify(seen(other)));
      }
    });

    it('and costs no statement: neither a refusal nor the check of a token asks the database', async () => {
      const asked = async (client: RegistryClient): Promise<ReadonlyMap<string, number>> => {
        const before = await statementCounts(registry.registry);
        for (let i = 0; i < 40; i++) for (const path of [`/v2/${secret}/manifests/v1`, `/v2/${secret}/blobs/${layer}`]) await client.get(path);
        const after = await statementCounts(registry.registry);
        return new Map([...after].map(([name, count]): [string, number] => [name, count - (before.get(name) ?? 0)]).filter(([name, count]) => count > 0 && /^(manifest|blob|content|tag|repo|actor)/.test(name)));
      };
      for (const client of [registry.with(undefined), registry.with('Bearer x.y.z'), registry.as('mallory', 'mallory/own:*')]) expect([...(await asked(client)).keys()]).toEqual([]);
      const open = await asked(registry.as('alice', `${secret}:pull`));
      expect([...open.keys()].filter((name) => name !== 'content-get').toSorted()).toEqual(['blob-link-find', 'manifest-find-by-tag']);
    });

    it('with the right to read it a missing repository is 404, for all alike', async () => {
      expect(await statuses(registry.as('alice', `${missing}:pull`), [['GET', `/v2/${missing}/manifests/v1`], ['GET', `/v2/${missing}/tags/list`]])).toEqual([404, 404]);
    });

    it('a blob that another repository holds is 404 for whoever knows only its digest', async () => {
      const mine = name();
      const client = registry.as('mallory', `${mine}:pull,push`);
      await pushBlob(client, mine, blobFixture('mine'));
      expect(await statuses(client, [['GET', `/v2/${mine}/blobs/${layer}`], ['HEAD', `/v2/${mine}/blobs/${layer}`]])).toEqual([404, 404]);
    });

    it('the catalog is for whoever has its scope', async () => {
      for (const client of [registry.with(undefined), registry.as(''), registry.as('alice', `${secret}:*`, 'catalog:*')]) {
        const answer = await client.listRepositories();
        expect([answer.status, answer.header('WWW-Authenticate')]).toEqual([401, expect.stringContaining('scope="registry:catalog:*"')]);
      }
      expect((await registry.as('admin', 'registry:catalog:*').listRepositories()).json()).toEqual({ repositories: expect.arrayContaining([secret]) });
    });
  });

  describe('a token is for what it names (section 7 point 9)', () => {
    it('to pull pushes and deletes nothing', async () => {
      const client = registry.as('alice', `${secret}:pull`);
      const writes = looks(secret, layer).filter(([method]) => method !== 'GET' && method !== 'HEAD');
      expect(await statuses(client, writes)).toEqual(writes.map(() => 401));
      expect((await client.getManifest(secret, 'v1')).status).toBe(200);
    });

    it('to push deletes nothing, and to delete pushes nothing', async () => {
      expect(await statuses(registry.as('alice', `${secret}:pull,push`), [['DELETE', `/v2/${secret}/manifests/v1`], ['DELETE', `/v2/${secret}/blobs/${layer}`]])).toEqual([401, 401]);
      expect(await statuses(registry.as('alice', `${secret}:pull,delete`), [['POST', `/v2/${secret}/blobs/uploads/`], ['PUT', `/v2/${secret}/manifests/v1`]])).toEqual([401, 401]);
    });

    it.each(['team/secre', 'team/secrets', 'team/secret/x', 'team', 'team/', 'team/*', 'team/**', '*', 'TEAM/SECRET', 'team/secret ', 'team%2Fsecret', 'host:5000/team/secret', 'team/secret:pull'])('for %j opens nothing of a repository of a similar name', async (other) => {
      const requests = looks(secret, layer);
      expect(await statuses(registry.as('mallory', `${other}:pull,push,delete,*`), requests)).toEqual(requests.map(() => 401));
    });

    it('for another service or of another issuer opens nothing, and neither does one of a stranger', async () => {
      const access = [{ type: 'repository', name: secret, actions: ['pull'] }];
      const stranger = new TestIssuer();
      for (const token of [registry.issuer.grant(access, { aud: 'other.example' }), registry.issuer.grant(access, { aud: `${SERVICE},other` }), registry.issuer.grant(access, { iss: 'https://other.example' }), stranger.grant(access)]) {
        const answer = await registry.with(`Bearer ${token}`).getManifest(secret, 'v1');
        expect([answer.status, answer.header('WWW-Authenticate')]).toEqual([401, `Bearer realm="${REALM}",service="${SERVICE}",scope="repository:${secret}:pull",error="invalid_token"`]);
      }
      expect((await registry.with(`bearer ${registry.issuer.grant(access)}`).getManifest(secret, 'v1')).status).toBe(200);
    });

    it('a refresh token, a password or a key in its place opens nothing', async () => {
      for (const value of ['Bearer wbr_0123456789abcdefghijklmnop', `Basic ${Buffer.from('alice:secret').toString('base64')}`, 'Bearer', 'Bearer ', 'Token x', 'Bearer ..', `Bearer ${JSON.stringify(registry.issuer.jwk)}`]) {
        expect((await registry.with(value).getManifest(secret, 'v1')).status).toBe(401);
      }
    });

    it('two of them in one request are none', async () => {
      const good = registry.token('alice', `${secret}:pull`);
      const raw = await RawConnection.open(registry.baseUrl);
      raw.write(`GET /v2/${secret}/manifests/v1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${good}\r\nAuthorization: Bearer ${good}\r\n\r\n`);
      await raw.until(({ closed }) => closed);
      expect(raw.statuses()).toEqual([401]);
    });

    it('of a megabyte is refused, and the next request is served', async () => {
      const raw = await RawConnection.open(registry.baseUrl);
      raw.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${'a'.repeat(1024 * 1024)}\r\n\r\n`);
      await raw.until(({ closed }) => closed);
      expect(raw.statuses()).toEqual([431]);
      expect((await registry.with(`Bearer ${'a'.repeat(15_000)}`).ping()).status).toBe(401);
      expect((await registry.as('alice').ping()).status).toBe(200);
    });

    it('is not in any log', () => {
      expect(registry.logs()).not.toMatch(/eyJ[A-Za-z0-9_-]{10}/);
    });
  });

  describe('an upload belongs to whoever began it (section 7 point 6, CVE-2026-32589)', () => {
    it('another principal with the same rights, an anonymous one, and the same one in another repository do not find it', async () => {
      const [mine, other] = [name(), name()];
      const alice = registry.as('alice', `${mine}:pull,push`, `${other}:pull,push`);
      const location = await openUpload(alice, mine);
      expect((await alice.appendUpload(location, 'bytes of alice')).status).toBe(202);
      const status = await alice.uploadStatus(location);
      const held = locationOf(status);
      for (const thief of [registry.as('bob', `${mine}:*`, `${other}:*`), registry.as('', `${mine}:*`), registry.as('alice2', `${mine}:*`), registry.as('external:alice', `${mine}:*`)]) {
        for (const at of [location, held]) {
          const answers = [await thief.uploadStatus(at), await thief.appendUpload(at, 'x'), await thief.completeUpload(at, blobFixture('bytes of alice').digest), await thief.cancelUpload(at)];
          expect(answers.map(({ status: code, body }) => [code, body.toString().includes('BLOB_UPLOAD_UNKNOWN')])).toEqual(answers.map(() => [404, true]));
        }
      }
      expect((await alice.uploadStatus(held.replace(mine, other))).status).toBe(404);
      expect((await alice.completeUpload(held, blobFixture('bytes of alice').digest)).status).toBe(201);
    });

    it('and whose token only pulls cannot go on with it', async () => {
      const mine = name();
      const location = await openUpload(registry.as('alice', `${mine}:pull,push`), mine);
      const reader = registry.as('alice', `${mine}:pull`);
      expect([(await reader.appendUpload(location, 'x')).status, (await reader.completeUpload(location, layer)).status, (await reader.cancelUpload(location)).status]).toEqual([401, 401, 401]);
    });
  });

  describe('a mount without the right to read (section 7 point 7, CVE-2024-39897)', () => {
    it('from a private repository asks for the scope once; a token that does not get it opens an upload, and links nothing', async () => {
      const mine = name();
      const client = (): RegistryClient => registry.as('mallory', `${mine}:pull,push`);
      const first = await client().mountBlob(mine, layer, secret);
      expect([first.status, first.header('WWW-Authenticate')]).toEqual([401, expect.stringContaining(`scope="repository:${mine}:pull,push repository:${secret}:pull",error="insufficient_scope"`)]);
      // each replica may ask once
      const answers = [await client().mountBlob(mine, layer, secret), await client().mountBlob(mine, layer, secret)];
      expect(answers.at(-1)?.status).toBe(202);
      expect((await client().headBlob(mine, layer)).status).toBe(404);
    });

    it('is answered alike for a source that is there and one that is not, and where the token server said no at once with 202', async () => {
      const mine = name();
      const refused = (from: string): RegistryClient => registry.as('mallory', `${mine}:pull,push`, `${from}:`);
      const [there, absent] = [await refused(secret).mountBlob(mine, layer, secret), await refused(missing).mountBlob(mine, layer, missing)];
      expect([there.status, absent.status]).toEqual([202, 202]);
      expect(Object.keys(there.headers)).toEqual(Object.keys(absent.headers));
      expect((await refused(secret).headBlob(mine, layer)).status).toBe(404);
    });

    it('without a source mounts only from where the token may read', async () => {
      const mine = name();
      expect((await registry.as('mallory', `${mine}:pull,push`).mountBlob(mine, layer)).status).toBe(202);
      expect((await registry.as('mallory', `${mine}:pull,push`, `${secret}:push,delete`).mountBlob(mine, layer)).status).toBe(202);
      expect((await registry.as('mallory', `${mine}:pull,push`).headBlob(mine, layer)).status).toBe(404);
      expect((await registry.as('alice', `${mine}:pull,push`, `${secret}:pull`).mountBlob(mine, layer)).status).toBe(201);
      expect((await registry.as('alice', `${mine}:pull`).headBlob(mine, layer)).status).toBe(200);
    });

    it('with the right mounts', async () => {
      const mine = name();
      expect((await registry.as('alice', `${mine}:pull,push`, `${secret}:pull`).mountBlob(mine, layer, secret)).status).toBe(201);
    });

    it('needs the right to push as well', async () => {
      const mine = name();
      expect((await registry.as('alice', `${mine}:pull`, `${secret}:pull,push`).mountBlob(mine, layer, secret)).status).toBe(401);
    });
  });

  it('events name who pushed by a reference alone: the login is in one row that can be erased', async () => {
    const database = new PgDatabase({ url: await registry.registry.databaseUrl(), poolSize: 1 });
    try {
      const [actor] = await database.sql<{ ref: string; kind: string }>(`SELECT ref, kind FROM es.actor WHERE name = 'alice'`);
      const metas = await database.sql<{ actor: string; kind: string; text: string }>(
        `SELECT e.meta ->> 'actor_ref' AS actor, e.meta ->> 'auth_kind' AS kind, e.meta::text || e.data::text AS text FROM es.event e JOIN reg.repo r USING (repo_id) WHERE r.name = $1`, [secret]);
      expect(actor?.kind).toBe('external');
      expect(metas.length).toBeGreaterThan(3);
      for (const { actor: ref, kind, text } of metas) expect([ref, kind, text.includes('alice')]).toEqual([actor?.ref, 'external', false]);
    } finally {
      await database.close();
    }
  });

  it('a blob may be kept by the client alone, and no answer to a stranger at all', async () => {
    expect((await registry.as('alice', `${secret}:pull`).getBlob(secret, layer)).header('Cache-Control')).toMatch(/^private,/);
    expect((await registry.with(undefined).getBlob(secret, layer)).header('ETag')).toBeUndefined();
  });
});

describe('what a deployment has switched off', () => {
  it('is told only to whom the request is allowed otherwise', async () => {
    const registry = await GuardedRegistry.start('one process', { WAYBILL_REGISTRY_READ_ONLY: 'true' });
    try {
      expect((await registry.with(undefined).startUpload('a')).status).toBe(401);
      expect((await registry.as('alice', 'a:pull').startUpload('a')).status).toBe(401);
      expect((await registry.as('alice', 'a:pull,push').startUpload('a')).status).toBe(405);
    } finally {
      await registry.stop();
    }
  });
});
