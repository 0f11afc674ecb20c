import { jest } from '@jest/globals';
import { blobFixture, buildContent, locationOf, mediaTypes, openUpload, pushBlob, pushContent, RegistryClient, RegistryProcess, temporaryFolder, unknownDigest, type TemporaryFolder } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { expectError, expectStatus } from './protocol/expectations.js';

jest.setTimeout(60_000);

const content = buildContent({
  blobs: { config: '{}', layer: { random: 100 } },
  manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } },
});
const app = content.manifest('app');

/** Three processes with different settings on one database and one storage folder. */
describe('settings', () => {
  let database: TestDatabase | undefined;
  let folder: TemporaryFolder | undefined;
  const processes: RegistryProcess[] = [];
  const clients: RegistryClient[] = [];
  const client = (which: number): RegistryClient => {
    const found = clients[which];
    if (found === undefined) throw new Error('The registry did not start.');
    return found;
  };
  const usual = (): RegistryClient => client(0);
  const strict = (): RegistryClient => client(1);
  const readOnly = (): RegistryClient => client(2);

  beforeAll(async () => {
    [database, folder] = await Promise.all([testDatabase(), temporaryFolder('set')]);
    const common = { databaseUrl: database.url, dataFolder: folder.path };
    const settings: readonly Readonly<Record<string, string>>[] = [{}, { WAYBILL_REGISTRY_DELETES: 'disabled', WAYBILL_REGISTRY_SPARSE_INDEXES: 'sparse/*,deep/**', WAYBILL_REGISTRY_MUST_EXIST: 'strict/**' }, { WAYBILL_REGISTRY_READ_ONLY: 'true' }];
    for (const some of settings) {
      const registry = await RegistryProcess.start({ ...common, settings: some });
      processes.push(registry);
      clients.push(new RegistryClient(registry.baseUrl));
    }
  });
  afterAll(async () => {
    for (const one of clients) one.close();
    await Promise.all(processes.map((registry) => registry.stop()));
    await folder?.remove();
    await database?.close();
  });

  describe('with deletes turned off', () => {
    it('DELETE of a tag, a manifest and a blob is 405 UNSUPPORTED and changes nothing', async () => {
      await pushContent(strict(), 'kept/app', content, { v1: 'app' });
      const loose = blobFixture({ random: 10 });
      await pushBlob(strict(), 'kept/app', loose);
      for (const answer of [await strict().deleteManifest('kept/app', 'v1'), await strict().deleteManifest('kept/app', app.digest), await strict().deleteBlob('kept/app', loose.digest)]) {
        expectError(answer, 405, 'UNSUPPORTED');
        expect(answer.header('Allow')).toEqual(expect.stringContaining('GET'));
        expect(answer.header('Allow')).not.toContain('DELETE');
      }
      expectStatus(await strict().headManifest('kept/app', 'v1'), 200);
      expectStatus(await strict().headBlob('kept/app', loose.digest), 200);
    });

    it('an upload can still be cancelled', async () => {
      expectStatus(await strict().cancelUpload(await openUpload(strict(), 'kept/app')), 204);
    });
  });

  describe('read-only', () => {
    it('everything that was pushed can be pulled', async () => {
      await pushContent(usual(), 'read/app', content, { v1: 'app' });
      expect((await readOnly().getManifest('read/app', 'v1')).body.equals(app.bytes)).toBe(true);
      expect((await readOnly().getBlob('read/app', content.blob('layer').digest)).body.equals(content.blob('layer').bytes)).toBe(true);
      expect((await readOnly().listTags('read/app')).json()).toEqual({ name: 'read/app', tags: ['v1'] });
      expectStatus(await readOnly().listReferrers('read/app', app.digest), 200);
      expectStatus(await readOnly().listRepositories(), 200);
    });

    it('every request that would change something is 405 UNSUPPORTED', async () => {
      await pushContent(usual(), 'read/app', content, { v1: 'app' });
      const session = await openUpload(usual(), 'read/app');
      const { digest } = content.blob('layer');
      const refused = [
        await readOnly().startUpload('read/app'),
        await readOnly().startUpload('read/app', { query: `?digest=${digest}`, body: content.blob('layer').bytes }),
        await readOnly().mountBlob('read/other', digest, 'read/app'),
        await readOnly().appendUpload(session, 'abc'),
        await readOnly().completeUpload(session, digest, { body: content.blob('layer').bytes }),
        await readOnly().cancelUpload(session),
        await readOnly().putManifest('read/app', 'v2', app.bytes, app.mediaType),
        await readOnly().deleteManifest('read/app', 'v1'),
        await readOnly().deleteManifest('read/app', app.digest),
        await readOnly().deleteBlob('read/app', digest),
      ];
      for (const answer of refused) expectError(answer, 405, 'UNSUPPORTED');
      expectStatus(await usual().headManifest('read/app', 'v2'), 404);
      expectStatus(await usual().uploadStatus(session), 204);
    });
  });

  describe('sparse indexes', () => {
    const index = buildContent({ blobs: {}, manifests: { sparse: { kind: 'index', manifests: [{ mediaType: mediaTypes.image, digest: unknownDigest(), size: 7 }] } } }).manifest('sparse');

    it('are taken where the setting names the repository, by * within a segment and ** across them', async () => {
      for (const name of ['sparse/app', 'deep/a/b/c']) {
        expectStatus(await strict().putManifest(name, 'v1', index.bytes, index.mediaType), 201);
        expect((await strict().getManifest(name, 'v1')).body.equals(index.bytes)).toBe(true);
      }
    });

    it('are refused with MANIFEST_BLOB_UNKNOWN anywhere else', async () => {
      for (const name of ['other/app', 'sparse/a/b', 'sparse']) expectError(await strict().putManifest(name, 'v1', index.bytes, index.mediaType), 400, 'MANIFEST_BLOB_UNKNOWN');
      expectError(await usual().putManifest('sparse/app', 'v2', index.bytes, index.mediaType), 400, 'MANIFEST_BLOB_UNKNOWN');
    });

    it('still need the blobs of an image', async () => {
      const image = { schemaVersion: 2, mediaType: mediaTypes.image, config: { mediaType: 'a/b', digest: unknownDigest(), size: 1 }, layers: [] };
      expectError(await strict().putManifest('sparse/app', 'v3', JSON.stringify(image), mediaTypes.image), 400, 'MANIFEST_BLOB_UNKNOWN');
    });
  });

  describe('repositories that must exist', () => {
    it('are not created by a push: 404 NAME_UNKNOWN for an upload, a mount and a manifest', async () => {
      await pushBlob(strict(), 'kept/app', content.blob('layer'));
      const empty = buildContent({ blobs: {}, manifests: { empty: { kind: 'index', manifests: [] } } }).manifest('empty');
      const { digest, bytes } = content.blob('layer');
      expectError(await strict().startUpload('strict/app'), 404, 'NAME_UNKNOWN');
      expectError(await strict().startUpload('strict/app', { query: `?digest=${digest}`, body: bytes }), 404, 'NAME_UNKNOWN');
      expectError(await strict().mountBlob('strict/app', digest, 'kept/app'), 404, 'NAME_UNKNOWN');
      expectError(await strict().putManifest('strict/app', 'v1', empty.bytes, empty.mediaType), 404, 'NAME_UNKNOWN');
      expectError(await strict().listTags('strict/app'), 404, 'NAME_UNKNOWN');
    });

    it('are pushed to like any other once they are there', async () => {
      await pushBlob(usual(), 'strict/there', content.blob('config'));
      await pushContent(strict(), 'strict/there', content, { v1: 'app' });
      expectStatus(await strict().headManifest('strict/there', 'v1'), 200);
    });
  });

  it('a setting that does not exist, and a value that makes no sense, are refused at the start in plain words', async () => {
    const start = RegistryProcess.start({ settings: { WAYBILL_REGISTRY_DELETES: 'perhaps', WAYBILL_NOTHING: '1' } });
    await expect(start).rejects.toThrow(/WAYBILL_REGISTRY_DELETES[^]*WAYBILL_NOTHING|WAYBILL_NOTHING[^]*WAYBILL_REGISTRY_DELETES/);
  });

  it('an upload begun in one process goes on in another', async () => {
    const blob = blobFixture({ random: 1000 });
    const location = locationOf(await usual().appendUpload(await openUpload(usual(), 'kept/moving'), blob.bytes.subarray(0, 400)));
    expectStatus(await strict().completeUpload(location, blob.digest, { body: blob.bytes.subarray(400) }), 201);
    expect((await readOnly().getBlob('kept/moving', blob.digest)).body.equals(blob.bytes)).toBe(true);
  });
});
