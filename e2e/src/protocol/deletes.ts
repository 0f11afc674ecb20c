import { blobFixture, buildContent, pushBlob, pushContent, pushManifest, unknownDigest } from '@waybill/testing';
import { expectError, expectOneOf, expectStatus } from './expectations.js';
import { pushPaths } from './blobs.js';
import type { RegistryTest } from './registry-test.js';

/** Rows 9t, 9m and 10 of section 1, M15, M16, U8 and Appendix C 10. */
export function describeDeletes(test: RegistryTest): void {
  const content = buildContent({
    blobs: { config: { json: { for: 'deletes' } }, layer: { random: 500 }, shared: { random: 200 } },
    manifests: {
      app: { kind: 'image', config: 'config', layers: ['layer', 'shared'] },
      other: { kind: 'image', config: 'config', layers: ['shared'] },
      multi: { kind: 'index', manifests: ['app', 'other'] },
    },
  });
  const app = content.manifest('app');

  describe('deleting a tag', () => {
    test('takes the tag away and nothing else', async ({ client, repository }) => {
      await pushContent(client, repository, content, { v1: 'app', v2: 'app' });
      expectStatus(await client.deleteManifest(repository, 'v1'), 202);
      expectError(await client.getManifest(repository, 'v1'), 404, 'MANIFEST_UNKNOWN');
      expectStatus(await client.getManifest(repository, 'v2'), 200);
      expectStatus(await client.getManifest(repository, app.digest), 200);
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: ['v2'] });
      expectError(await client.deleteManifest(repository, 'v1'), 404, 'MANIFEST_UNKNOWN');
    });

    test('leaves the tag free to be set again', async ({ client, repository }) => {
      await pushContent(client, repository, content, { v1: 'app' });
      await client.deleteManifest(repository, 'v1');
      await pushManifest(client, repository, content.manifest('other'), 'v1');
      expect((await client.headManifest(repository, 'v1')).header('Docker-Content-Digest')).toBe(content.manifest('other').digest);
    });
  });

  describe('deleting a manifest', () => {
    test('takes it and every tag on it away; other manifests and the blobs stay', async ({ client, repository }) => {
      await pushContent(client, repository, content, { v1: 'multi', v2: 'multi', keep: 'other' });
      const { digest } = content.manifest('multi');
      expectStatus(await client.deleteManifest(repository, digest), 202);
      for (const reference of [digest, 'v1', 'v2']) {
        expectError(await client.getManifest(repository, reference), 404, 'MANIFEST_UNKNOWN');
        expectStatus(await client.headManifest(repository, reference), 404);
      }
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: ['keep'] });
      expectStatus(await client.getManifest(repository, app.digest), 200);
      expectStatus(await client.getBlob(repository, content.blob('layer').digest), 200);
      expectError(await client.deleteManifest(repository, digest), 404, 'MANIFEST_UNKNOWN');
    });

    test('a manifest that was deleted can be pushed again', async ({ client, repository }) => {
      await pushContent(client, repository, content, { v1: 'other' });
      await client.deleteManifest(repository, content.manifest('multi').digest);
      await client.deleteManifest(repository, content.manifest('other').digest);
      await pushContent(client, repository, content, { v1: 'other' });
      expect((await client.getManifest(repository, 'v1')).body.equals(content.manifest('other').bytes)).toBe(true);
    });

    test('that a live index lists is refused with 405 UNSUPPORTED and changes nothing; its tag may go, and it may once no index lists it', async ({ client, repository }) => {
      const nested = buildContent({
        blobs: { config: { json: { for: 'children' } } },
        manifests: {
          app: { kind: 'image', config: 'config', layers: [] },
          inner: { kind: 'index', manifests: ['app'] },
          outer: { kind: 'index', manifests: ['inner'] },
          second: { kind: 'index', manifests: ['app'], annotations: { again: 'true' } },
        },
      });
      await pushContent(client, repository, nested, { child: 'app', v1: 'outer' });
      const [child, inner, outer, second] = [nested.manifest('app'), nested.manifest('inner'), nested.manifest('outer'), nested.manifest('second')];
      const refused = async ({ digest, bytes }: typeof child, indexes: readonly string[]): Promise<void> => {
        const answer = await client.deleteManifest(repository, digest);
        expectError(answer, 405, 'UNSUPPORTED');
        expect(answer.header('Allow')).toBe('GET, HEAD, PUT');
        expect(indexes.some((index) => String(answer.errors()[0]?.message).includes(index))).toBe(true);
        expect((await client.getManifest(repository, digest)).body.equals(bytes)).toBe(true);
      };
      await refused(child, [inner.digest, second.digest]);
      expectStatus(await client.getManifest(repository, 'child'), 200);
      expectStatus(await client.deleteManifest(repository, 'child'), 202);
      expectStatus(await client.deleteManifest(repository, 'v1'), 202);
      // an index without a tag is live all the same
      await refused(inner, [outer.digest]);
      expectStatus(await client.deleteManifest(repository, outer.digest), 202);
      expectStatus(await client.deleteManifest(repository, inner.digest), 202);
      await refused(child, [second.digest]);
      expectStatus(await client.deleteManifest(repository, second.digest), 202);
      expectStatus(await client.deleteManifest(repository, child.digest), 202);
      expectError(await client.getManifest(repository, child.digest), 404, 'MANIFEST_UNKNOWN');
    });

    test('of one repository is not held back by an index of another', async ({ client, repository, otherRepository }) => {
      await pushContent(client, otherRepository, content, { v1: 'multi' });
      await Promise.all(content.blobs().map((blob) => pushBlob(client, repository, blob)));
      await pushManifest(client, repository, app);
      expectStatus(await client.deleteManifest(repository, app.digest), 202);
    });

    test('works for sha512 manifests and for what is tagged by sha512', async ({ client, repository }) => {
      const sha512 = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [], algorithm: 'sha512' } } });
      await pushBlob(client, repository, sha512.blob('config'));
      const { digest, bytes, mediaType } = sha512.manifest('app');
      expectStatus(await client.putManifest(repository, digest, bytes, mediaType, { query: '?tag=v1' }), 201);
      expectStatus(await client.deleteManifest(repository, digest), 202);
      expectStatus(await client.headManifest(repository, 'v1'), 404);
    });

    test('an unknown manifest is MANIFEST_UNKNOWN, an unknown repository NAME_UNKNOWN', async ({ client, repository, otherRepository }) => {
      await pushContent(client, repository, content);
      expectError(await client.deleteManifest(repository, unknownDigest()), 404, 'MANIFEST_UNKNOWN');
      expectError(await client.deleteManifest(otherRepository, unknownDigest()), 404, 'NAME_UNKNOWN');
      expectError(await client.deleteManifest(otherRepository, 'v1'), 404, 'NAME_UNKNOWN');
    });

    test('is seen in no other repository', async ({ client, repository, otherRepository }) => {
      await pushContent(client, repository, content, { v1: 'multi' });
      await pushContent(client, otherRepository, content, { v1: 'multi' });
      expectStatus(await client.deleteManifest(repository, content.manifest('multi').digest), 202);
      expectStatus(await client.getManifest(otherRepository, 'v1'), 200);
    });
  });

  describe('deleting a blob', () => {
    test('is 202 and the blob is gone at once, here only', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      await pushBlob(client, otherRepository, blob);
      expectStatus(await client.deleteBlob(repository, blob.digest), 202);
      expectStatus(await client.headBlob(repository, blob.digest), 404);
      expectError(await client.getBlob(repository, blob.digest), 404, 'BLOB_UNKNOWN');
      expectStatus(await client.headBlob(otherRepository, blob.digest), 200);
      expectError(await client.deleteBlob(repository, blob.digest), 404, 'BLOB_UNKNOWN');
    });

    test('that a manifest of the repository refers to is refused with 405 UNSUPPORTED', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const answer = await client.deleteBlob(repository, content.blob('layer').digest);
      expectError(answer, 405, 'UNSUPPORTED');
      expect(answer.header('Allow')).toBe('GET, HEAD');
      expectStatus(await client.headBlob(repository, content.blob('layer').digest), 200);
    });

    test('is possible once its manifests are gone, in the order of the conformance tool', async ({ client, repository }) => {
      await pushContent(client, repository, content, { v1: 'multi' });
      expectStatus(await client.deleteManifest(repository, 'v1'), 202);
      for (const manifest of content.manifests().toReversed()) {
        expectStatus(await client.deleteManifest(repository, manifest.digest), 202);
        expectStatus(await client.headManifest(repository, manifest.digest), 404);
      }
      for (const blob of content.blobs()) {
        expectStatus(await client.deleteBlob(repository, blob.digest), 202);
        expectStatus(await client.headBlob(repository, blob.digest), 404);
      }
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: [] });
    });

    for (const [name, push] of Object.entries(pushPaths)) {
      test(`after which ${name} brings it back, the empty and the {} blob too`, async ({ client, repository }) => {
        for (const blob of [blobFixture('{}'), blobFixture(''), blobFixture({ json: {}, algorithm: 'sha512' }), blobFixture('again')]) {
          expect(await push(client, repository, blob)).toBe(201);
          expectStatus(await client.deleteBlob(repository, blob.digest), 202);
          expectStatus(await client.headBlob(repository, blob.digest), 404);
          expect(await push(client, repository, blob)).toBe(201);
          expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
        }
      });
    }

    test('an unknown one is 404', async ({ client, repository, otherRepository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      expectError(await client.deleteBlob(repository, unknownDigest()), 404, 'BLOB_UNKNOWN');
      expectOneOf(await client.deleteBlob(otherRepository, unknownDigest()), ['404 NAME_UNKNOWN']);
    });
  });
}
