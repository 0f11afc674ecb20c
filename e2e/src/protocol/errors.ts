import { blobFixture, blobPath, buildContent, manifestPath, openUpload, pushBlob, pushContent, unknownDigest, uploadsPath } from '@waybill/testing';
import { expectError, expectOneOf, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

const badNames = ['UPPER', 'a/B', '-a', 'a-', 'a.', '.a', 'a..b', 'a._b', 'a___b', '_a', 'a/_b', 'a/-', 'a+b', 'a~b', 'a:b', `${'a'.repeat(256)}`];

/** G1 to G8 and G10: names, references, methods and the form of errors. */
export function describeErrors(test: RegistryTest): void {
  describe('names and paths', () => {
    test('a name outside the grammar is 400 NAME_INVALID, for reading as for pushing', async ({ client }) => {
      for (const name of badNames) {
        expectError(await client.listTags(name), 400, 'NAME_INVALID');
        expectError(await client.startUpload(name), 400, 'NAME_INVALID');
      }
    });

    test('names of every allowed form can be pushed to and pulled from', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      for (const last of ['a', '0', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', 'a.b_c__d-e/f', `${'x'.repeat(100)}`]) {
        await pushContent(client, `${repository}/${last}`, content, { v1: 'app' });
        expectStatus(await client.getManifest(`${repository}/${last}`, 'v1'), 200);
      }
    });

    test('a path is read from the right: manifests, blobs, tags/list and referrers may be parts of a name', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: { random: 16 } }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      for (const last of ['manifests', 'blobs', 'tags/list', 'blobs/uploads', 'referrers', 'manifests/v1/blobs', 'v2']) {
        const name = `${repository}/${last}`;
        await pushContent(client, name, content, { v1: 'app' });
        expect((await client.getManifest(name, 'v1')).body).toEqual(content.manifest('app').bytes);
        expect((await client.getBlob(name, content.blob('config').digest)).body).toEqual(content.blob('config').bytes);
        expect((await client.listTags(name)).json()).toEqual({ name, tags: ['v1'] });
        expectStatus(await client.listReferrers(name, content.manifest('app').digest), 200);
      }
    });

    test('uploads start with and without the slash at the end, without a redirect', async ({ client, repository }) => {
      for (const path of [uploadsPath(repository), uploadsPath(repository).slice(0, -1)]) expectStatus(await client.send({ method: 'POST', path }), 202);
    });

    test('the colon of a digest may be percent-encoded, in either case', async ({ client, repository }) => {
      const blob = blobFixture({ random: 10 });
      await pushBlob(client, repository, blob);
      for (const colon of ['%3A', '%3a']) expectStatus(await client.getBlob(repository, blob.digest.replace(':', colon)), 200);
    });

    test('an unknown path is 404', async ({ client, repository }) => {
      for (const path of ['/v2/nothing', '/v2/x/y/z', `/v2/${repository}/tags`, `/v2/${repository}/tags/list/more`, `/v2/${repository}/manifests/`, '/v2/_unknown']) {
        expectOneOf(await client.get(path), ['404 UNSUPPORTED', '404 NAME_UNKNOWN', '404 MANIFEST_UNKNOWN', '400 NAME_INVALID', '400 MANIFEST_INVALID']);
      }
    });
  });

  describe('references and digests', () => {
    const malformed = ['sha256:baddigeststring', `sha256:${'A'.repeat(64)}`, `sha256:${'a'.repeat(63)}`, `sha256:${'a'.repeat(65)}`, `sha256:${'a'.repeat(128)}`, `sha512:${'a'.repeat(64)}`, 'sha256:', ':abc'];
    const unsupported = [`md5:${'a'.repeat(32)}`, `SHA256:${'a'.repeat(64)}`, `sha1:${'a'.repeat(40)}`, `sha384:${'a'.repeat(96)}`];

    test('a malformed digest or one of another algorithm is 400 DIGEST_INVALID wherever a digest can stand', async ({ client, repository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      for (const digest of [...malformed, ...unsupported]) {
        expectError(await client.getBlob(repository, digest), 400, 'DIGEST_INVALID');
        expectError(await client.getManifest(repository, digest), 400, 'DIGEST_INVALID');
        expectError(await client.putManifest(repository, digest, '{}', 'application/vnd.oci.image.manifest.v1+json'), 400, 'DIGEST_INVALID');
        expectError(await client.deleteManifest(repository, digest), 400, 'DIGEST_INVALID');
        expectError(await client.deleteBlob(repository, digest), 400, 'DIGEST_INVALID');
        expectError(await client.listReferrers(repository, digest), 400, 'DIGEST_INVALID');
      }
    });

    test('a tag outside the grammar is refused with 400 on push and is not found on pull', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      await pushContent(client, repository, content);
      const app = content.manifest('app');
      for (const tag of ['.dot', '-dash', 'a+b', 'a'.repeat(129), 'a%20b', 'ü'.normalize('NFC').replace('ü', '%C3%BC')]) {
        expect((await client.putManifest(repository, tag, app.bytes, app.mediaType)).status).toBe(400);
        expect([400, 404]).toContain((await client.getManifest(repository, tag)).status);
      }
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: [] });
    });

    test('tags of every allowed form work, up to 128 characters', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      const tags = ['_', 'A', '0', 'latest', 'v1.0-rc_2', `x${'-'.repeat(127)}`, 'sha256-abc.sig'];
      await pushContent(client, repository, content, Object.fromEntries(tags.map((tag) => [tag, 'app' as const])));
      for (const tag of tags) expect((await client.headManifest(repository, tag)).header('Docker-Content-Digest')).toBe(content.manifest('app').digest);
    });
  });

  describe('methods', () => {
    test('a method that a path does not have is 405 UNSUPPORTED with Allow', async ({ client, repository }) => {
      const digest = unknownDigest();
      const wrong: readonly (readonly [string, string, string])[] = [
        ['POST', blobPath(repository, digest), 'GET'],
        ['PATCH', manifestPath(repository, 'v1'), 'PUT'],
        ['POST', manifestPath(repository, 'v1'), 'PUT'],
        ['DELETE', `/v2/${repository}/tags/list`, 'GET'],
        ['POST', `/v2/${repository}/referrers/${digest}`, 'GET'],
        ['DELETE', '/v2/_catalog', 'GET'],
        ['GET', uploadsPath(repository), 'POST'],
        ['POST', await openUpload(client, repository), 'PATCH'],
      ];
      for (const [method, path, allowed] of wrong) {
        const answer = await client.send({ method, path });
        expectError(answer, 405, 'UNSUPPORTED');
        expect((answer.header('Allow') ?? '').split(/, */)).toContain(allowed);
      }
    });
  });

  describe('errors', () => {
    test('an error of a HEAD has the status and headers of the GET, and no body', async ({ client, repository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      for (const path of [blobPath(repository, unknownDigest()), manifestPath(repository, 'missing'), manifestPath(repository, unknownDigest()), blobPath('nobody/pushed', unknownDigest())]) {
        const answer = await client.head(path);
        expect([answer.status, answer.body.length, answer.header('Docker-Distribution-Api-Version')]).toEqual([404, 0, 'registry/2.0']);
      }
    });

    test('an unknown repository is NAME_UNKNOWN, an unknown blob or manifest in a known one has its own code', async ({ client, repository, otherRepository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      expectError(await client.getBlob(otherRepository, unknownDigest()), 404, 'NAME_UNKNOWN');
      expectError(await client.getManifest(otherRepository, 'v1'), 404, 'NAME_UNKNOWN');
      expectError(await client.listTags(otherRepository), 404, 'NAME_UNKNOWN');
      expectError(await client.getBlob(repository, unknownDigest()), 404, 'BLOB_UNKNOWN');
      expectError(await client.getManifest(repository, 'v1'), 404, 'MANIFEST_UNKNOWN');
      expectError(await client.getManifest(repository, unknownDigest('sha512')), 404, 'MANIFEST_UNKNOWN');
    });

    test('a Warning header, where there is one, is of the form that the spec allows', async ({ client, repository }) => {
      for (const answer of [await client.ping(), await client.startUpload(repository), await client.getManifest(repository, 'v1')]) {
        const warning = answer.header('Warning') ?? '';
        expect(warning).toMatch(/^(299 - "[^"]*"(, 299 - "[^"]*")*)?$/);
        expect(Buffer.byteLength(warning)).toBeLessThanOrEqual(4096);
      }
    });
  });
}
