import { jest } from '@jest/globals';
import { blobFixture, locationOf, openUpload, RegistryClient, RegistryProcess, startSplitRegistry } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { interrupted, resume } from '../interrupted-upload.js';
import { logIsEqual } from '../log-proof.js';
import { expectBlobCreated, expectSession, expectStatus } from '../protocol/expectations.js';

jest.setTimeout(120_000);
const repository = 'faults/gateway';

describe('kill -9 of a gateway in the middle of an upload', () => {
  it('leaves the session at the last acknowledged byte: it goes on through another gateway, and there is one event', async () => {
    const database = await testDatabase();
    const settings = { WAYBILL_UPLOADS_LEASE: '3s' };
    const registry = await startSplitRegistry({ databaseUrl: database.url, settings });
    const addresses = (replicas: readonly RegistryProcess[]): string => replicas.map(({ baseUrl }) => new URL(baseUrl).host).join(',');
    const other = await RegistryProcess.start({ app: 'gateway', settings: { WAYBILL_GATEWAY_BLOBS: addresses(registry.blobs), WAYBILL_GATEWAY_MANIFESTS: addresses(registry.manifests) } });
    const [client, survivor] = [new RegistryClient(registry.baseUrl), new RegistryClient(other.baseUrl)];
    try {
      const blob = blobFixture({ random: 3_000_000 });
      const first = await client.appendUpload(await openUpload(client, repository), blob.bytes.subarray(0, 1_000_000));
      expectSession(first, 202, repository, 1_000_000);
      await interrupted(registry.gateway, locationOf(first), blob.bytes.subarray(1_000_000));
      const status = await survivor.uploadStatus(locationOf(first));
      expectStatus(status, 204);
      expect(Number(status.header('Range')?.split('-')[1])).toBeGreaterThanOrEqual(999_999);
      const resumed = await resume(survivor, locationOf(first), blob.bytes);
      expectSession(resumed, 202, repository, blob.size);
      expect((await database.database.sql("SELECT 1 FROM es.event WHERE type = 'BlobUploaded'")).length).toBe(0);
      expectBlobCreated(await survivor.completeUpload(locationOf(resumed), blob.digest), repository, blob.digest);
      expect((await survivor.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
      expect((await database.database.sql("SELECT 1 FROM es.event WHERE type = 'BlobUploaded'")).length).toBe(1);
      await logIsEqual(() => database).check();
    } finally {
      client.close();
      survivor.close();
      await other.stop();
      await registry.stop();
      await database.close();
    }
  });
});
