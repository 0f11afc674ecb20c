import { blobFixture, buildContent, digestOf, manifestFixture, mediaTypes, pushBlob, pushContent, pushManifest, seededBytes, unknownDigest, type ManifestFixture } from '@waybill/testing';
import { expectError, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

const layers = { config: { json: { os: 'linux' } }, base: { random: 600 }, top: { random: 300 } } as const;

/** Rows 3 and 7a of section 1, M1, M5, M6, M10 to M14, and what section 6 asks for pushes of real clients. */
export function describeManifests(test: RegistryTest): void {
  describe('pushing and pulling manifests', () => {
    const kinds = buildContent({
      blobs: { ...layers, huge: { json: { algorithm: 'sha512' }, algorithm: 'sha512' } },
      manifests: {
        image: { kind: 'image', config: 'config', layers: ['base', 'top'], annotations: { 'org.example': 'x' } },
        docker: { kind: 'docker', config: 'config', layers: ['base'] },
        index: { kind: 'index', manifests: ['image', { manifest: 'other', platform: { os: 'linux', architecture: 'arm64' } }] },
        other: { kind: 'image', config: 'config', layers: [] },
        list: { kind: 'docker-list', manifests: ['docker'] },
        nested: { kind: 'index', manifests: ['index', 'image'] },
        emptyIndex: { kind: 'index', manifests: [] },
        artifact: { kind: 'image', config: { blob: 'config', mediaType: 'application/vnd.example.anything+x' }, layers: [{ blob: 'top', mediaType: 'made/up' }], artifactType: 'application/vnd.example.artifact' },
        artifactIndex: { kind: 'index', manifests: ['artifact'], artifactType: 'application/vnd.example.index' },
        // What the containerd store of Docker 29 pushes beside every image.
        attested: { kind: 'index', manifests: ['image', { manifest: 'artifact', platform: { os: 'unknown', architecture: 'unknown' } }] },
        custom: { kind: 'image', config: 'config', layers: [], fields: { 'org.example.custom': { deep: [1, null] }, another: true } },
        data: { kind: 'image', config: { blob: 'config', data: Buffer.from(JSON.stringify(layers.config.json)).toString('base64') }, layers: [] },
        mixed: { kind: 'image', config: 'huge', layers: ['base'] },
        sha512: { kind: 'image', config: 'config', layers: [], algorithm: 'sha512', annotations: { digest: 'sha512' } },
        sha512Index: { kind: 'index', manifests: ['sha512', 'image'], algorithm: 'sha512' },
      },
    });
    const names = ['image', 'docker', 'index', 'list', 'nested', 'emptyIndex', 'artifact', 'artifactIndex', 'attested', 'custom', 'data', 'mixed', 'sha512', 'sha512Index'] as const;

    for (const name of names) {
      test(`${name}: PUT by digest, then GET and HEAD give back the exact bytes and the type of the push`, async ({ client, repository }) => {
        await pushContent(client, repository, kinds);
        const manifest = kinds.manifest(name);
        const put = await client.putManifest(repository, manifest.digest, manifest.bytes, manifest.mediaType);
        expectStatus(put, 201);
        expect(put.header('Location')).toBe(`/v2/${repository}/manifests/${manifest.digest}`);
        expect(put.header('Docker-Content-Digest')).toBe(manifest.digest);
        expect(put.header('OCI-Subject')).toBeUndefined();
        for (const method of ['GET', 'HEAD']) {
          const answer = await client.send({ method, path: `/v2/${repository}/manifests/${manifest.digest}` });
          expectStatus(answer, 200);
          expectManifestHeaders(answer.headers, manifest);
          expect(answer.body.equals(method === 'GET' ? manifest.bytes : Buffer.alloc(0))).toBe(true);
        }
      });
    }

    test('a push by tag answers the sha256 digest, and tag and digest give the same', async ({ client, repository }) => {
      await pushContent(client, repository, kinds);
      for (const name of ['image', 'index', 'list'] as const) {
        const manifest = kinds.manifest(name);
        const put = await client.putManifest(repository, 'v1', manifest.bytes, manifest.mediaType);
        expect([put.status, put.header('Docker-Content-Digest'), put.header('Location')]).toEqual([201, manifest.digest, `/v2/${repository}/manifests/${manifest.digest}`]);
        for (const reference of ['v1', manifest.digest]) {
          const answer = await client.getManifest(repository, reference);
          expectManifestHeaders(answer.headers, manifest);
          expect(answer.body.equals(manifest.bytes)).toBe(true);
        }
      }
    });

    test('white space and unknown fields come back byte for byte', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      await pushContent(client, repository, content);
      const pretty = manifestFixture(Buffer.from(`\n  ${JSON.stringify(JSON.parse(content.manifest('app').bytes.toString()), null, 3)}\r\n\t`), mediaTypes.image);
      await pushManifest(client, repository, pretty, 'v1');
      expect((await client.getManifest(repository, 'v1')).body.equals(pretty.bytes)).toBe(true);
    });

    test('the stored document is sent whatever Accept says: no 406, no conversion', async ({ client, repository }) => {
      await pushContent(client, repository, kinds, { v1: 'index' });
      const manifest = kinds.manifest('index');
      for (const accept of [mediaTypes.dockerManifest, 'application/json', '*/*', [mediaTypes.dockerSchema1Signed, mediaTypes.dockerSchema1], [mediaTypes.image, mediaTypes.dockerList]]) {
        const answer = await client.getManifest(repository, 'v1', { Accept: accept });
        expectStatus(answer, 200);
        expectManifestHeaders(answer.headers, manifest);
      }
    });

    test('If-None-Match with the digest, quoted or not, is 304 by tag and by digest', async ({ client, repository }) => {
      await pushContent(client, repository, kinds, { v1: 'image' });
      const { digest } = kinds.manifest('image');
      for (const reference of ['v1', digest]) {
        for (const tag of [`"${digest}"`, digest]) {
          const answer = await client.getManifest(repository, reference, { 'If-None-Match': tag });
          expect([answer.status, answer.body.length]).toEqual([304, 0]);
        }
        expectStatus(await client.getManifest(repository, reference, { 'If-None-Match': `"${unknownDigest()}"` }), 200);
      }
    });

    test('parameters of the Content-Type are ignored on push and never sent on pull', async ({ client, repository }) => {
      await pushContent(client, repository, kinds);
      const { bytes, digest } = kinds.manifest('image');
      expectStatus(await client.putManifest(repository, 'v1', bytes, `${mediaTypes.image}; charset=utf-8`), 201);
      expect((await client.getManifest(repository, digest)).header('Content-Type')).toBe(mediaTypes.image);
    });

    test('without a Content-Type the type is the mediaType of the body, or follows from its fields', async ({ client, repository }) => {
      await pushContent(client, repository, kinds);
      const without = (name: 'image' | 'index') => {
        const { mediaType, ...rest } = Object(JSON.parse(kinds.manifest(name).bytes.toString()));
        return { mediaType: String(mediaType), bytes: Buffer.from(JSON.stringify(rest)) };
      };
      for (const [bytes, type] of [
        [kinds.manifest('list').bytes, mediaTypes.dockerList],
        [without('image').bytes, mediaTypes.image],
        [without('index').bytes, mediaTypes.index],
      ] as const) {
        expectStatus(await client.putManifest(repository, 'v1', bytes, undefined), 201);
        expect((await client.getManifest(repository, 'v1')).header('Content-Type')).toBe(type);
      }
    });

    test('an OCI manifest may leave out its mediaType', async ({ client, repository }) => {
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [], fields: { mediaType: undefined } } } });
      await pushContent(client, repository, content, { v1: 'app' });
      expect((await client.getManifest(repository, 'v1')).header('Content-Type')).toBe(mediaTypes.image);
    });

    test('a push by digest checks the digest in its own algorithm: 400 DIGEST_INVALID', async ({ client, repository }) => {
      await pushContent(client, repository, kinds);
      const { bytes, mediaType } = kinds.manifest('other');
      for (const digest of [unknownDigest(), unknownDigest('sha512')]) expectError(await client.putManifest(repository, digest, bytes, mediaType), 400, 'DIGEST_INVALID');
      const sha512 = digestOf(bytes, 'sha512');
      const put = await client.putManifest(repository, sha512, bytes, mediaType);
      expect([put.status, put.header('Docker-Content-Digest')]).toEqual([201, sha512]);
    });

    test('a manifest of just under 4 MB, and one of exactly 4 MiB, are stored and served', async ({ client, repository }) => {
      for (const size of [3_910_000, 4 * 1024 * 1024]) {
        const manifest = await largeManifest(size);
        await pushBlob(client, repository, blobFixture('{}'));
        await pushManifest(client, repository, manifest, 'large');
        expect((await client.getManifest(repository, 'large')).body.equals(manifest.bytes)).toBe(true);
      }
    });

    test('one byte more than 4 MiB is 413 MANIFEST_INVALID, with and without an announced length', async ({ client, repository }) => {
      await pushBlob(client, repository, blobFixture('{}'));
      const manifest = await largeManifest(4 * 1024 * 1024 + 1);
      expectError(await client.putManifest(repository, 'large', manifest.bytes, manifest.mediaType), 413, 'MANIFEST_INVALID');
      async function* pieces(): AsyncGenerator<Buffer> {
        yield manifest.bytes.subarray(0, 100_000);
        yield manifest.bytes.subarray(100_000);
      }
      expectError(await client.putManifest(repository, 'large', pieces(), manifest.mediaType), 413, 'MANIFEST_INVALID');
      expectStatus(await client.headManifest(repository, 'large'), 404);
    });

    test('a tag push with If-None-Match: * or a stale If-Match is 412 and moves nothing', async ({ client, repository }) => {
      await pushContent(client, repository, kinds, { v1: 'image' });
      const [image, other] = [kinds.manifest('image'), kinds.manifest('other')];
      const push = (tag: string, headers: Record<string, string>) => client.putManifest(repository, tag, other.bytes, other.mediaType, { headers });
      expectStatus(await push('v1', { 'If-None-Match': '*' }), 412);
      expectStatus(await push('v1', { 'If-Match': `"${other.digest}"` }), 412);
      expect((await client.headManifest(repository, 'v1')).header('Docker-Content-Digest')).toBe(image.digest);
      expectStatus(await push('new', { 'If-None-Match': '*' }), 201);
      expectStatus(await push('v1', { 'If-Match': `"${image.digest}"` }), 201);
    });

    test('a push of what is there already is 201 again, and twenty at once all succeed', async ({ client, repository }) => {
      await pushContent(client, repository, kinds);
      const { bytes, mediaType, digest } = kinds.manifest('image');
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => client.putManifest(repository, `t${i % 4}`, bytes, mediaType)));
      expect(new Set(answers.map((answer) => `${answer.status} ${answer.header('Docker-Content-Digest')}`))).toEqual(new Set([`201 ${digest}`]));
    });
  });
}

/** A valid image manifest of exactly `size` bytes, most of them in an annotation. Its config is the blob `{}`. */
async function largeManifest(size: number): Promise<ManifestFixture> {
  const build = (filler: string) => buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [], annotations: { filler } } } }).manifest('app');
  const without = build('').bytes.length;
  return build(seededBytes('large manifest', Math.ceil((size - without) / 2)).toString('hex').slice(0, size - without));
}

function expectManifestHeaders(headers: Readonly<Record<string, unknown>>, manifest: ManifestFixture): void {
  expect(headers).toMatchObject({
    'content-type': manifest.mediaType,
    'content-length': String(manifest.bytes.length),
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`,
    'docker-distribution-api-version': 'registry/2.0',
  });
  expect(headers).not.toHaveProperty('content-encoding');
}
