import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { blobFixture, freshBytes, locationOf, openUpload, pushBlob, RegistryClient, RegistryProcess, requireBinaries, type BlobFixture } from '@waybill/testing';
import { expectBlobCreated, expectError, expectSession } from '../protocol/expectations.js';
import { s3Bench, type S3Bench } from './s3-bench.js';

jest.setTimeout(120_000);
const binaries = requireBinaries('minio');
const repository = 'faults/answers';

describe('a registry on an S3 that answers badly', () => {
  if (binaries === undefined) {
    it.skip('needs minio', () => undefined);
    return;
  }
  let bench: S3Bench;
  let registry: RegistryProcess;
  let client: RegistryClient;
  beforeAll(async () => {
    bench = await s3Bench(binaries.minio);
    registry = await RegistryProcess.start({ databaseUrl: bench.database.url, settings: { ...bench.settings, WAYBILL_UPLOADS_REAP_EVERY: '1s' } });
    client = new RegistryClient(registry.baseUrl);
  });
  beforeEach(() => bench.proxy.reset());
  afterAll(async () => {
    client.close();
    await registry.stop();
    await bench.close();
  });
  const pulls = async (blob: BlobFixture): Promise<void> => expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);

  it('errors in bursts are hidden: pushes and pulls go through', async () => {
    const [small, large] = [blobFixture({ random: 1000 }), blobFixture({ random: 11_000_000 })];
    for (const call of ['PUT', 'START', 'PART', 'COMPLETE'] as const) bench.proxy.inject(call, call === 'PART' ? 'busy' : 'fail', 2);
    await pushBlob(client, repository, small);
    await pushBlob(client, repository, large);
    bench.proxy.inject('GET', 'busy', 3);
    await pulls(large);
    await pulls(small);
  });

  it('errors for good are 503 in the shape of the spec, and the session stands where it stood', async () => {
    const blob = blobFixture({ random: 7_000_000 });
    const first = await client.appendUpload(await openUpload(client, repository), blob.bytes.subarray(0, 1_000_000));
    expectSession(first, 202, repository, 1_000_000);
    for (const call of ['PUT', 'START', 'GET'] as const) bench.proxy.inject(call, 'fail', Infinity);
    for (const size of [1000, 6_000_000]) {
      const refused = await client.appendUpload(locationOf(first), blob.bytes.subarray(1_000_000, 1_000_000 + size));
      expectError(refused, 503, 'UNAVAILABLE');
      expect(Number(refused.header('Retry-After'))).toBeLessThan(5);
    }
    expectSession(await client.uploadStatus(locationOf(first)), 204, repository, 1_000_000);
    bench.proxy.reset();
    const second = await client.appendUpload(locationOf(first), blob.bytes.subarray(1_000_000));
    expectSession(second, 202, repository, blob.size);
    expectBlobCreated(await client.completeUpload(locationOf(second), blob.digest), repository, blob.digest);
    await pulls(blob);
  });

  it('a body that breaks off goes on where it did, and the client sees nothing of it', async () => {
    const blob = blobFixture({ random: 3_000_000 });
    await pushBlob(client, repository, blob);
    bench.proxy.inject('GET', 'truncate', 2);
    await pulls(blob);
    expect(bench.proxy.calls.filter((call) => call === 'GET')).toHaveLength(3);
  });

  it('a body that cannot be had whole, or is damaged, ends the connection: never a clean end', async () => {
    const blob = blobFixture({ random: 3_000_000 });
    await pushBlob(client, repository, blob);
    bench.proxy.inject('GET', 'truncate', Infinity);
    await expect(client.getBlob(repository, blob.digest)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    bench.proxy.reset();
    bench.proxy.inject('GET', 'damage');
    await expect(client.getBlob(repository, blob.digest)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    await pulls(blob);
  });

  it.each(['truncate', 'damage'] as const)('a small blob that comes with %s is not served and not kept', async (fault) => {
    const blob = blobFixture({ random: 20_000 });
    await pushBlob(client, repository, blob);
    bench.proxy.inject('GET', fault, Infinity);
    expectError(await client.getBlob(repository, blob.digest), 500, 'UNKNOWN');
    bench.proxy.reset();
    await pulls(blob);
    // good bytes are kept
    bench.proxy.inject('GET', 'fail', Infinity);
    await pulls(blob);
  });

  it('an answer that never comes after the work was done: the push is looked up and acknowledged, the delete repeated', async () => {
    const [small, large] = [blobFixture({ random: 1000 }), blobFixture({ bytes: freshBytes(6_000_000) })];
    bench.proxy.inject('PUT', 'lost');
    bench.proxy.inject('COMPLETE', 'lost');
    await pushBlob(client, repository, small);
    await pushBlob(client, repository, large);
    expect(bench.proxy.calls.filter((call) => call === 'PUT' || call === 'COMPLETE' || call === 'HEAD')).toEqual(['PUT', 'HEAD', 'COMPLETE', 'HEAD']);
    await pulls(small);
    await pulls(large);
    bench.proxy.reset();
    bench.proxy.inject('DELETE', 'lost');
    const cancelled = await client.appendUpload(await openUpload(client, repository), freshBytes(300_000));
    await client.cancelUpload(locationOf(cancelled));
    const due = async (): Promise<number> => (await bench.database.database.sql('SELECT 1 FROM reg.object WHERE due_at <= clock_timestamp()')).length;
    await bench.database.database.sql('UPDATE reg.object SET due_at = clock_timestamp()');
    for (const end = performance.now() + 20_000; (await due()) > 0 && performance.now() < end; ) await delay(100);
    expect(await due()).toBe(0);
  });
});
