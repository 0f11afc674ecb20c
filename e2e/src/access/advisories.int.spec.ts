import { jest } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { blobFixture, buildContent, findBinary, locationOf, pushBlob, pushContent, RawConnection, RegistryClient, temporaryFolder } from '@waybill/testing';
import type { HttpAnswer } from '@waybill/testing';
import { output } from '../clients/command.js';
import { LoggedInClient } from './logged-in-client.js';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic, TokenClient } from './token-client.js';

jest.setTimeout(120_000);

const ADMIN = ['admin', ADMIN_PASSWORD] as const;
const ALICE = ['alice', 'a password of alice'] as const;
/** Requests to each of the replicas behind a gateway, whichever it chooses. */
const OFTEN = 6;

describe.each(SECURED)('what went wrong elsewhere (wire-protocol section 7), %s', (_name, start) => {
  let secured: SecuredRegistry;
  let tokens: TokenClient;
  let admin: LoggedInClient;
  let alice: LoggedInClient;
  const base = (): string => secured.registry.baseUrl;
  const at = (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Response> => fetch(base() + path, { method, headers });

  beforeAll(async () => {
    secured = await start();
    tokens = new TokenClient(base());
    admin = new LoggedInClient(base(), ADMIN);
    alice = new LoggedInClient(base(), ALICE);
    const { id } = await secured.users.create(ORDER, { login: ALICE[0], password: ALICE[1] });
    await secured.organisations.create(ORDER, 'acme');
    await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/**', actions: ['pull', 'push', 'delete'] });
  });
  afterAll(async () => {
    admin.close();
    alice.close();
    await secured.close();
  });

  describe('CVE-2026-35172: what was deleted', () => {
    /** Every way to read it, also those that answer from what a client has already. */
    const reads = async (client: RegistryClient, path: string, digest: string): Promise<readonly number[]> => {
      const statuses = new Set<number>();
      for (let i = 0; i < OFTEN; i++) {
        const answers = await Promise.all([client.get(path), client.head(path), client.get(path, { 'If-None-Match': `"${digest}"` }), client.get(path, { Range: 'bytes=0-0' })]);
        for (const { status } of answers) statuses.add(status);
      }
      return [...statuses];
    };

    it('a blob is not readable again because another repository has it and reads it, nor a source of mounts', async () => {
      const [one, other, third] = ['acme/deleted-from', 'acme/still-there', 'acme/mounting'];
      const blob = blobFixture({ random: 500 });
      for (const repository of [one, other]) await pushBlob(alice, repository, blob);
      const [gone, kept] = [one, other].map((repository) => `/v2/${repository}/blobs/${blob.digest}`);
      expect(await reads(alice, gone ?? '', blob.digest)).not.toContain(404);
      expect((await alice.deleteBlob(one, blob.digest)).status).toBe(202);
      for (let i = 0; i < 2; i++) {
        expect(await reads(alice, kept ?? '', blob.digest)).not.toContain(404);
        expect(await reads(alice, gone ?? '', blob.digest)).toEqual([404]);
      }
      const headers = await tokens.bearer(ALICE, `repository:${third}:pull,push`, `repository:${one}:pull`);
      const mount = (from: string): Promise<Response> => at(`/v2/${third}/blobs/uploads/?mount=${blob.digest}${from}`, headers, 'POST');
      expect([(await mount(`&from=${one}`)).status, (await mount('')).status]).toEqual([202, 202]);
      expect((await alice.deleteBlob(other, blob.digest)).status).toBe(202);
      expect(await reads(alice, kept ?? '', blob.digest)).toEqual([404]);
    });

    it('a manifest is not readable again because another repository has it and reads it', async () => {
      const [one, other] = ['acme/deleted-app', 'acme/other-app'];
      const content = buildContent({ blobs: { config: '{"deleted":true}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      const { digest } = content.manifest('app');
      for (const repository of [one, other]) await pushContent(alice, repository, content, { v1: 'app' });
      expect((await alice.deleteManifest(one, digest)).status).toBe(202);
      for (const reference of [digest, 'v1']) {
        expect(await reads(alice, `/v2/${other}/manifests/${reference}`, digest)).not.toContain(404);
        expect(await reads(alice, `/v2/${one}/manifests/${reference}`, digest)).toEqual([404]);
      }
    });
  });

  describe('CVE-2022-46463: what is public is read by name, and listed to nobody who may not list it', () => {
    beforeAll(async () => {
      for (const repository of ['acme/open', 'acme/closed']) await pushBlob(admin, repository, blobFixture('listed'));
      const made = await fetch(`${base()}/api/v1/repositories/acme/open`, { method: 'PATCH', headers: { ...basic(...ADMIN), 'Content-Type': 'application/json' }, body: '{"visibility":"public"}' });
      expect(made.status).toBe(200);
    });

    it('whoever did not log in reads the public repository, and nothing tells them which there are', async () => {
      const headers = await tokens.bearer(undefined, 'repository:acme/open:pull', 'repository:acme/closed:pull', 'registry:catalog:*');
      expect((await at('/v2/acme/open/tags/list', headers)).status).toBe(200);
      for (const path of ['/v2/acme/closed/tags/list', '/v2/_catalog', '/v2/_catalog?n=1', '/v2/_catalog?last=acme']) {
        const answer = await at(path, headers);
        expect([path, answer.status, (await answer.text()).includes('acme/open')]).toEqual([path, 401, false]);
      }
    });

    it('the management API lists nothing to whoever did not log in, with and without an anonymous token', async () => {
      for (const headers of [{}, await tokens.bearer(undefined, 'registry:catalog:*')]) {
        for (const path of ['/repositories', '/repositories?organisation=acme', '/repositories/acme/open', '/organisations', '/organisations/acme', '/users', '/audit']) {
          const answer = await at(`/api/v1${path}`, headers);
          expect([path, answer.status, (await answer.text()).includes('acme')]).toEqual([path, 401, false]);
        }
      }
    });

    it('whoever logged in gets the catalog as an admin alone, and from the management API what they may list', async () => {
      expect((await at('/v2/_catalog', await tokens.bearer(ALICE, 'registry:catalog:*'))).status).toBe(401);
      expect((await at('/v2/_catalog', await tokens.bearer(ADMIN, 'registry:catalog:*'))).status).toBe(200);
      await secured.users.create(ORDER, { login: 'stranger', password: 'a password of stranger' });
      const listed = await at('/api/v1/repositories?organisation=acme', basic('stranger', 'a password of stranger'));
      expect(JSON.parse(await listed.text())).toEqual({ items: [expect.objectContaining({ name: 'acme/open' })] });
    });
  });

  describe('CVE-2026-48978, CVE-2026-50151: where clients are sent', () => {
    /** What a client may follow with its credentials: the scheme and the host, with the port, that it asked. */
    const isOurs = (url: string): boolean => new URL(url, base()).origin === new URL(base()).origin;

    it('the realm is absolute, of the host and the scheme that the client asked, whoever else a header names', async () => {
      for (const path of ['/v2/', '/v2/acme/app/manifests/v1', '/v2/_catalog']) {
        for (const [header, value] of [['Accept', '*/*'], ['X-Forwarded-Host', 'evil.example'], ['X-Forwarded-Proto', 'https'], ['Forwarded', 'host=evil.example;proto=https'], ['X-Original-Host', 'evil.example']] as const) {
          const realm = /^Bearer realm="([^"]+)"/.exec((await at(path, { [header]: value })).headers.get('www-authenticate') ?? '')?.[1] ?? '';
          expect([path, header, realm]).toEqual([path, header, `${base()}/token`]);
        }
      }
    });

    it.each(['evil.example', 'evil.example:443', '127.0.0.1.evil.example', '169.254.169.254', '10.0.0.1:5000'])('a Host header of %s sends nobody there', async (host) => {
      const raw = await RawConnection.open(base());
      raw.write(`GET /v2/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      await raw.until(({ closed }) => closed);
      expect(raw.statuses()).toEqual([401]);
      const realm = /realm="([^"]+)"/.exec(raw.received)?.[1] ?? '';
      expect(['127.0.0.1', 'localhost']).toContain(new URL(realm).hostname);
    });

    it('every Location is of the host and the scheme that the client asked', async () => {
      const headers = { ...await tokens.bearer(ALICE, 'repository:acme/located:pull,push', 'repository:acme/located-too:pull,push'), 'X-Forwarded-Host': 'evil.example', 'X-Forwarded-Proto': 'https', Forwarded: 'host=evil.example' };
      const client = new RegistryClient(base(), headers);
      const blob = blobFixture({ random: 300 });
      const answers: HttpAnswer[] = [];
      const note = (answer: HttpAnswer): string => (answers.push(answer), locationOf(answer));
      const opened = note(await client.startUpload('acme/located'));
      const appended = note(await client.appendUpload(opened, blob.bytes.subarray(0, 100), { 'Content-Range': '0-99' }));
      note(await client.appendUpload(appended, blob.bytes.subarray(0, 100), { 'Content-Range': '0-99' }));
      note(await client.uploadStatus(appended));
      note(await client.completeUpload(appended, blob.digest, { body: blob.bytes.subarray(100) }));
      note(await client.mountBlob('acme/located-too', blob.digest, 'acme/located'));
      const image = buildContent({ blobs: { config: '{"located":1}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      await pushBlob(client, 'acme/located', image.blob('config'));
      note(await client.putManifest('acme/located', 'v1', image.manifest('app').bytes, image.manifest('app').mediaType));
      expect(answers.map(({ status }) => status)).toEqual([202, 202, 416, 204, 201, 201, 201]);
      expect(answers.map(locationOf).filter((location) => !isOurs(location) || location.includes('evil'))).toEqual([]);
      client.close();
    });

    const helm = findBinary('helm');
    (helm === undefined ? it.skip : it)('helm, which checks both, logs in, pushes and pulls', async () => {
      const folder = await temporaryFolder('helm-checked');
      const run = (...words: readonly string[]): Promise<string> => output(helm ?? '', words, { folder: folder.path, environment: { HELM_CONFIG_HOME: `${folder.path}/config`, HELM_CACHE_HOME: `${folder.path}/cache`, HELM_DATA_HOME: `${folder.path}/data` } });
      try {
        await mkdir(join(folder.path, 'checked', 'templates'), { recursive: true });
        await writeFile(join(folder.path, 'checked', 'Chart.yaml'), 'apiVersion: v2\nname: checked\nversion: 0.1.0\n');
        await run('package', 'checked');
        await run('registry', 'login', new URL(base()).host, '--plain-http', '--username', ALICE[0], '--password', ALICE[1]);
        await run('push', 'checked-0.1.0.tgz', `oci://${new URL(base()).host}/acme`, '--plain-http');
        expect(await run('show', 'chart', `oci://${new URL(base()).host}/acme/checked`, '--version', '0.1.0', '--plain-http')).toContain('name: checked');
      } finally {
        await folder.remove();
      }
    });
  });

  describe('a token in the place of another (section 7 point 9)', () => {
    const refreshToken = async (): Promise<string> => String((await tokens.get(ALICE, [], '&offline_token=true')).body['refresh_token']);

    it('a real refresh token opens nothing as a Bearer token, neither below /v2/ nor at the management API, and as a password nothing either', async () => {
      const token = await refreshToken();
      const scopes = `scope=${encodeURIComponent('repository:acme/located:pull')}`;
      expect((await tokens.post({ grant_type: 'refresh_token', refresh_token: token })).status).toBe(200);
      for (const path of ['/v2/', '/v2/acme/located/tags/list', '/v2/acme/located/manifests/v1', '/v2/_catalog', '/api/v1/whoami', '/api/v1/repositories', `/token?service=${tokens.service}&${scopes}`]) {
        expect([path, (await at(path, { Authorization: `Bearer ${token}` })).status]).toEqual([path, 401]);
        for (const login of ['alice', token, '<token>']) expect([path, login, (await at(path, basic(login, token))).status]).toEqual([path, login, 401]);
      }
    });

    it('a token of the registry renews nothing and is no password', async () => {
      const { Authorization } = await tokens.bearer(ALICE, 'repository:acme/located:pull');
      const token = Authorization.slice('Bearer '.length);
      expect((await tokens.post({ grant_type: 'refresh_token', refresh_token: token })).status).toBe(401);
      expect((await tokens.get(['alice', token])).status).toBe(401);
      expect((await tokens.post({ grant_type: 'password', username: 'alice', password: token })).status).toBe(401);
    });

    it('a refresh token is of whoever it was given to, whoever the request names', async () => {
      const { status, body } = await tokens.post({ grant_type: 'refresh_token', refresh_token: await refreshToken(), username: 'admin', account: 'admin', scope: 'registry:catalog:*' });
      expect(status).toBe(200);
      const claims: unknown = JSON.parse(Buffer.from(String(body['access_token']).split('.')[1] ?? '', 'base64url').toString());
      expect(claims).toMatchObject({ sub: 'alice', access: [] });
    });
  });
});
