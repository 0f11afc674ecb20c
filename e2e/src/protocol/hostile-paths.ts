import { blobFixture, buildContent, locationOf, openUpload, pushBlob, pushContent, RawConnection, unknownDigest } from '@waybill/testing';
import { expectError, expectSession, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** Section 7 points 1, 2, 6 and 7, and G3. */
export function describeHostilePaths(test: RegistryTest): void {
  describe('hostile paths', () => {
    const hostile = ['..', '%2e%2e', '%2E%2E', 'a%2fb', 'a%2Fb', 'a\\b', '%00', 'a%00b', 'a//b', '.', './a', 'a/../b', 'a/%2e%2e/b', '%252e', '_catalog', '_oci', '%c0%ae', 'a%', '%zz', 'a;b', "a'b", 'a"b', '<a>', 'ａ'.normalize('NFC').replace('ａ', '%EF%BD%81')];

    test('no name with dots, escapes, NUL or a leading underscore reaches anything: 400 or 404', async ({ client }) => {
      for (const name of hostile) {
        for (const path of [`/v2/${name}/tags/list`, `/v2/${name}/manifests/latest`, `/v2/${name}/blobs/${unknownDigest()}`]) {
          expect([path, [400, 404].includes((await client.get(path)).status)]).toEqual([path, true]);
        }
        expect([name, [400, 404, 405].includes((await client.send({ method: 'POST', path: `/v2/${name}/blobs/uploads/` })).status)]).toEqual([name, true]);
      }
    });

    test('the same in the place of a reference', async ({ client, repository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      for (const reference of hostile.filter((entry) => !entry.startsWith('_'))) {
        for (const path of [`/v2/${repository}/manifests/${reference}`, `/v2/${repository}/blobs/${reference}`, `/v2/${repository}/referrers/${reference}`]) {
          expect([path, [400, 404, 405].includes((await client.get(path)).status)]).toEqual([path, true]);
        }
      }
    });

    test('a name of 10,000 characters is refused without harm', async ({ client }) => {
      for (const name of ['a'.repeat(10_000), 'a/'.repeat(5000).slice(0, -1)]) {
        const answer = await client.listTags(name);
        expect([400, 404, 414]).toContain(answer.status);
      }
      expectStatus(await client.ping(), 200);
    });

    test('a request target in absolute form, or without a leading slash, does not confuse the server', async ({ client }) => {
      for (const target of ['http://example.org/v2/', 'v2/', '*', '/v2/#x', '//v2/', '/v2/?%', '/v2/?\u0000']) {
        const connection = await RawConnection.open(client.baseUrl);
        connection.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Connection: close\r\n\r\n`);
        const status = await connection.status();
        expect([target, status === undefined || status === 200 || (status >= 400 && status < 500)]).toEqual([target, true]);
        connection.destroy();
      }
    });

    test('Host and X-Forwarded headers never reach a Location', async ({ client, repository }) => {
      for (const headers of [{ Host: 'evil.example.org' }, { 'X-Forwarded-Host': 'evil.example.org', 'X-Forwarded-Proto': 'gopher' }, { Forwarded: 'host=evil.example.org' }]) {
        expect(locationOf(await client.startUpload(repository, { headers }))).toMatch(/^\/v2\//);
      }
    });
  });

  describe('digest confusion', () => {
    test('a tag that looks like a digest cannot be pushed, and a fallback tag is only a tag', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] }, other: { kind: 'image', config: 'config', layers: [], annotations: { other: 'yes' } } } });
      await pushContent(client, repository, content);
      const [app, other] = [content.manifest('app'), content.manifest('other')];
      expectError(await client.putManifest(repository, app.digest, other.bytes, other.mediaType), 400, 'DIGEST_INVALID');
      expectStatus(await client.putManifest(repository, app.digest.replace(':', '-'), other.bytes, other.mediaType), 201);
      expect((await client.getManifest(repository, app.digest)).body.equals(app.bytes)).toBe(true);
      expect((await client.putManifest(repository, app.digest, app.bytes, app.mediaType, { query: `?tag=${other.digest}` })).status).toBe(400);
    });
  });

  describe('upload sessions of others', () => {
    test('a session under another repository is 404 BLOB_UPLOAD_UNKNOWN and stays untouched', async ({ client, repository, otherRepository }) => {
      await pushBlob(client, otherRepository, blobFixture('here'));
      const location = locationOf(await client.appendUpload(await openUpload(client, repository), 'abc'));
      const moved = location.replace(repository, otherRepository);
      expectError(await client.uploadStatus(moved), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.appendUpload(moved, 'def'), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.completeUpload(moved, blobFixture('abc').digest), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.cancelUpload(moved), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectSession(await client.uploadStatus(location), 204, repository, 3);
      expectStatus(await client.headBlob(otherRepository, blobFixture('abc').digest), 404);
    });

    test('an edited or invented state in the Location gives no right and no other offset', async ({ client, repository }) => {
      const location = locationOf(await client.appendUpload(await openUpload(client, repository), 'abc'));
      for (const state of ['_state=AAAA', 'state=%00', 'offset=0', 'size=-1']) {
        const path = client.resolve(location).split('?')[0];
        const answer = await client.get(`${path}?${state}`);
        expect([204, 400, 404, 416]).toContain(answer.status);
        if (answer.status === 204) expect(answer.header('Range')).toBe('0-2');
      }
    });
  });
}
