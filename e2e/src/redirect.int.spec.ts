import { ensureBucket } from '@waybill/blob-storage/s3';
import { jest } from '@jest/globals';
import { blobFixture, pushBlob, RegistryClient, RegistryProcess, requireBinaries, startMinio, type S3Server } from '@waybill/testing';
import { expectStatus } from './protocol/expectations.js';

jest.setTimeout(60_000);

const binaries = requireBinaries('minio');

/** G14: redirects to the object storage, where the deployment switches them on. */
if (binaries === undefined) it.skip('redirects to the object storage: MinIO is missing', () => undefined);
else {
  describe('redirects to the object storage', () => {
    let s3: S3Server | undefined;
    let registry: RegistryProcess | undefined;
    let client: RegistryClient | undefined;

    beforeAll(async () => {
      s3 = await startMinio(binaries.minio);
      const { endpoint, accessKey, secretKey } = s3;
      await ensureBucket({ endpoint, accessKey, secretKey, region: 'us-east-1', bucket: 'redirects' });
      const settings = { WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: endpoint, WAYBILL_STORAGE_BUCKET: 'redirects', WAYBILL_STORAGE_ACCESS_KEY: accessKey, WAYBILL_STORAGE_SECRET_KEY: secretKey };
      registry = await RegistryProcess.start({ settings: { ...settings, WAYBILL_BLOBS_REDIRECT_SECONDS: '60' } });
      client = new RegistryClient(registry.baseUrl);
    });
    afterAll(async () => {
      client?.close();
      await registry?.stop();
      await s3?.stop();
    });

    it('a GET is 307 to a URL that serves the bytes and that no shared cache may keep; a HEAD is answered here', async () => {
      if (client === undefined) throw new Error('The registry did not start.');
      const blob = blobFixture({ random: 300_000 });
      await pushBlob(client, 'redirect/app', blob);
      const answer = await client.getBlob('redirect/app', blob.digest);
      expectStatus(answer, 307);
      expect(answer.header('Cache-Control')).toBe('no-store');
      const bytes = Buffer.from(await (await fetch(answer.header('Location') ?? '')).arrayBuffer());
      expect(bytes.equals(blob.bytes)).toBe(true);
      const head = await client.headBlob('redirect/app', blob.digest);
      expect([head.status, head.header('Content-Length'), head.header('Docker-Content-Digest')]).toEqual([200, '300000', blob.digest]);
    });

    it('a blob that is not in the repository is 404 here, without a URL', async () => {
      if (client === undefined) throw new Error('The registry did not start.');
      const blob = blobFixture({ random: 300_000 });
      await pushBlob(client, 'redirect/other', blob);
      const answer = await client.getBlob('redirect/app', blob.digest);
      expect([answer.status, answer.header('Location')]).toEqual([404, undefined]);
    });
  });
}
