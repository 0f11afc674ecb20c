import { blobFixture, buildContent, manifestFixture, mediaTypes, pushBlob, pushContent, pushManifest, unknownDigest, type DescriptorFixture, type RegistryClient } from '@waybill/testing';
import { expectError, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** M2 to M5, M7 to M9: what a push of a manifest is refused for. */
export function describeManifestRefusals(test: RegistryTest): void {
  const config = blobFixture('{}');
  const layer = blobFixture('a layer of the tests of refusals');
  const descriptor = (blob: { digest: string; size: number }, mediaType: string = mediaTypes.layer): DescriptorFixture => ({ mediaType, digest: blob.digest, size: blob.size });
  const image = { schemaVersion: 2, mediaType: mediaTypes.image, config: descriptor(config, mediaTypes.imageConfig), layers: [descriptor(layer)] };
  const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] };
  const put = (client: RegistryClient, repository: string, document: unknown, mediaType: string = mediaTypes.image) => client.putManifest(repository, 'v1', JSON.stringify(document), mediaType);
  const prepare = async (client: RegistryClient, repository: string): Promise<void> => {
    await pushBlob(client, repository, config);
    await pushBlob(client, repository, layer);
  };

  describe('manifests that are refused as 400 MANIFEST_INVALID', () => {
    const refused: Readonly<Record<string, readonly [unknown, string?]>> = {
      'docker schema 1': [{ schemaVersion: 1, name: 'x', tag: 'v1', fsLayers: [], history: [] }, mediaTypes.dockerSchema1],
      'signed docker schema 1': [{ schemaVersion: 1, name: 'x', fsLayers: [], signatures: [] }, mediaTypes.dockerSchema1Signed],
      'the withdrawn artifact manifest': [{ mediaType: mediaTypes.withdrawnArtifact, artifactType: 'x/y', blobs: [] }, mediaTypes.withdrawnArtifact],
      'a type that is no manifest': [image, 'application/json'],
      'plain text': ['just text', 'text/plain'],
      'schemaVersion 1': [{ ...image, schemaVersion: 1 }],
      'schemaVersion as text': [{ ...image, schemaVersion: '2' }],
      'no schemaVersion': [{ ...image, schemaVersion: undefined }],
      'a mediaType other than the Content-Type': [{ ...image, mediaType: mediaTypes.dockerManifest }],
      'an index sent as an image': [index],
      'an image sent as an index': [image, mediaTypes.index],
      'docker schema 2 without a mediaType': [{ ...image, mediaType: undefined }, mediaTypes.dockerManifest],
      'a docker list without a mediaType': [{ ...index, mediaType: undefined }, mediaTypes.dockerList],
      'an image with manifests': [{ ...image, manifests: [] }],
      'an image with fsLayers': [{ ...image, fsLayers: [] }],
      'an index with config': [{ ...index, config: image.config }, mediaTypes.index],
      'an index with layers': [{ ...index, layers: [] }, mediaTypes.index],
      'an index with fsLayers': [{ ...index, fsLayers: [] }, mediaTypes.index],
      'an image without config': [{ ...image, config: undefined }],
      'an image without layers': [{ ...image, layers: undefined }],
      'an image whose layers are null': [{ ...image, layers: null }],
      'an index without manifests': [{ ...index, manifests: undefined }, mediaTypes.index],
      'a config that is an array': [{ ...image, config: [image.config] }],
      'a descriptor without mediaType': [{ ...image, layers: [{ digest: layer.digest, size: layer.size }] }],
      'a descriptor with an empty mediaType': [{ ...image, layers: [descriptor(layer, '')] }],
      'a descriptor without digest': [{ ...image, layers: [{ mediaType: mediaTypes.layer, size: 1 }] }],
      'a descriptor without size': [{ ...image, layers: [{ mediaType: mediaTypes.layer, digest: layer.digest }] }],
      'a negative size': [{ ...image, layers: [{ ...descriptor(layer), size: -1 }] }],
      'a fractional size': [{ ...image, layers: [{ ...descriptor(layer), size: 1.5 }] }],
      'a size as text': [{ ...image, layers: [{ ...descriptor(layer), size: '5' }] }],
      'a size over 2^53-1': [{ ...image, layers: [{ ...descriptor(layer), size: 2 ** 53 }] }],
      'a size that the stored blob does not have': [{ ...image, layers: [{ ...descriptor(layer), size: layer.size + 1 }] }],
      'a subject that is no descriptor': [{ ...image, subject: 'sha256:0' }],
      'null': [null],
      'an array': [[image]],
      'a number': [5],
    };
    for (const [what, [document, mediaType]] of Object.entries(refused)) {
      test(what, async ({ client, repository }) => {
        await prepare(client, repository);
        expectError(await put(client, repository, document, mediaType), 400, 'MANIFEST_INVALID');
        expectStatus(await client.headManifest(repository, 'v1'), 404);
      });
    }

    test('a descriptor with a malformed digest is refused as MANIFEST_INVALID or DIGEST_INVALID', async ({ client, repository }) => {
      await prepare(client, repository);
      for (const digest of ['sha256:short', layer.digest.toUpperCase(), 'md5:d41d8cd98f00b204e9800998ecf8427e', 'latest', '']) {
        const answer = await put(client, repository, { ...image, layers: [{ ...descriptor(layer), digest }] });
        expect(['400 MANIFEST_INVALID', '400 DIGEST_INVALID']).toContain(`${answer.status} ${answer.errorCodes()[0]}`);
      }
    });

    test('an empty body and a body that is no JSON', async ({ client, repository }) => {
      await prepare(client, repository);
      for (const body of ['', '{', 'x', `${JSON.stringify(image)}}`, `${JSON.stringify(image)} ${JSON.stringify(image)}`]) {
        expectError(await client.putManifest(repository, 'v1', body, mediaTypes.image), 400, 'MANIFEST_INVALID');
      }
    });
  });

  describe('content that a manifest refers to', () => {
    test('each missing digest is named in an error of its own, 400 MANIFEST_BLOB_UNKNOWN', async ({ client, repository }) => {
      await prepare(client, repository);
      const [one, two] = [unknownDigest(), unknownDigest('sha512')];
      const answer = await put(client, repository, { ...image, layers: [descriptor(layer), { ...descriptor(layer), digest: one }, { ...descriptor(layer), digest: two }] });
      expectError(answer, 400, 'MANIFEST_BLOB_UNKNOWN');
      expect(answer.errors().map((error) => [error.code, JSON.stringify(error.detail).includes(one), JSON.stringify(error.detail).includes(two)]).toSorted()).toEqual(
        [['MANIFEST_BLOB_UNKNOWN', true, false], ['MANIFEST_BLOB_UNKNOWN', false, true]].toSorted(),
      );
      for (const error of answer.errors()) expect(error.message).toEqual(expect.stringMatching(/sha(256|512):[0-9a-f]+/));
    });

    test('a missing config and a missing child are named as well', async ({ client, repository }) => {
      await prepare(client, repository);
      const missing = { ...descriptor(layer), digest: unknownDigest() };
      expectError(await put(client, repository, { ...image, config: missing }), 400, 'MANIFEST_BLOB_UNKNOWN');
      const child = { ...missing, mediaType: mediaTypes.image };
      expectError(await put(client, repository, { ...index, manifests: [child] }, mediaTypes.index), 400, 'MANIFEST_BLOB_UNKNOWN');
    });

    test('a blob or a child that only another repository has is missing here', async ({ client, repository, otherRepository }) => {
      await prepare(client, otherRepository);
      await pushBlob(client, repository, config);
      expectError(await put(client, repository, image), 400, 'MANIFEST_BLOB_UNKNOWN');
      const child = manifestFixture(Buffer.from(JSON.stringify(image)), mediaTypes.image);
      await pushManifest(client, otherRepository, child);
      expectError(await put(client, repository, { ...index, manifests: [child.descriptor] }, mediaTypes.index), 400, 'MANIFEST_BLOB_UNKNOWN');
    });

    test('non-distributable and foreign layers need not be there', async ({ client, repository }) => {
      await prepare(client, repository);
      const foreign = (mediaType: string) => ({ mediaType, digest: unknownDigest(), size: 123, urls: ['https://example.org/layer'] });
      expectStatus(await put(client, repository, { ...image, layers: [descriptor(layer), foreign(mediaTypes.nonDistributableLayer), foreign('application/vnd.oci.image.layer.nondistributable.v1.tar+zstd')] }), 201);
      const docker = { ...image, mediaType: mediaTypes.dockerManifest, layers: [foreign(mediaTypes.dockerForeignLayer)] };
      expectStatus(await put(client, repository, docker, mediaTypes.dockerManifest), 201);
    });

    test('an ordinary layer with urls must still be there', async ({ client, repository }) => {
      await prepare(client, repository);
      const layers = [{ ...descriptor(layer), digest: unknownDigest(), urls: ['https://example.org/layer'] }];
      expectError(await put(client, repository, { ...image, layers }), 400, 'MANIFEST_BLOB_UNKNOWN');
    });

    test('a blob is not served as a manifest, and a manifest not as a blob', async ({ client, repository }) => {
      const bytes = Buffer.from(JSON.stringify(image));
      const manifest = manifestFixture(bytes, mediaTypes.image);
      await prepare(client, repository);
      await pushBlob(client, repository, blobFixture(bytes));
      expectError(await client.getManifest(repository, manifest.digest), 404, 'MANIFEST_UNKNOWN');
      const onlyBlob = await put(client, repository, { ...index, manifests: [manifest.descriptor] }, mediaTypes.index);
      expectError(onlyBlob, 400, 'MANIFEST_BLOB_UNKNOWN');
      const other = manifestFixture(Buffer.from(JSON.stringify({ ...image, annotations: { only: 'a manifest' } })), mediaTypes.image);
      await pushManifest(client, repository, other);
      expectError(await client.getBlob(repository, other.digest), 404, 'BLOB_UNKNOWN');
    });

    test('the same descriptor many times is one reference', async ({ client, repository }) => {
      await prepare(client, repository);
      expectStatus(await put(client, repository, { ...image, layers: Array.from({ length: 50 }, () => descriptor(layer)) }), 201);
    });
  });

  describe('one digest, one type', () => {
    test('bytes that were pushed under one type are refused under another', async ({ client, repository }) => {
      await prepare(client, repository);
      const bytes = JSON.stringify({ schemaVersion: 2, config: image.config, layers: [] });
      expectStatus(await client.putManifest(repository, 'v1', bytes, mediaTypes.image), 201);
      expectError(await client.putManifest(repository, 'v2', bytes, mediaTypes.dockerManifest), 400, 'MANIFEST_INVALID');
      const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      await pushContent(client, repository, content, { v3: 'app' });
      expect((await client.getManifest(repository, 'v1')).header('Content-Type')).toBe(mediaTypes.image);
    });
  });
}
