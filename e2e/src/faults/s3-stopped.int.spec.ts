import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { blobFixture, buildContent, locationOf, openUpload, pushContent, RegistryClient, RegistryProcess, requireBinaries, startSplitRegistry, type HttpAnswer, type RegistryUnderTest } from '@waybill/testing';
import { logIsEqual } from '../log-proof.js';
import { expectBlobCreated, expectError, expectSession, expectStatus } from '../protocol/expectations.js';
import { s3Bench, type S3Bench } from './s3-bench.js';

jest.setTimeout(120_000);
const binaries = requireBinaries('minio');
const repository = 'faults/stopped';

type Start = (bench: S3Bench) => Promise<RegistryUnderTest>;
const topologies: readonly (readonly [string, Start])[] = [
  ['one process', ({ database, settings }) => RegistryProcess.start({ databaseUrl: database.url, settings })],
  ['services behind a gateway', ({ database, settings }) => startSplitRegistry({ databaseUrl: database.url, settings })],
];

if (binaries === undefined) it.skip('a stopped S3: MinIO is missing', () => undefined);
else describe.each(topologies)('S3 is stopped under %s', (_name, start) => {
  it('writes and reads of blobs are 503 at once, manifests go on, and with S3 everything is back where it stood', async () => {
    const bench = await s3Bench(binaries.minio);
    const registry = await start(bench);
    const client = new RegistryClient(registry.baseUrl);
    try {
      const image = buildContent({ blobs: { config: { random: 200 }, layer: { random: 300_000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });
      await pushContent(client, repository, image, { latest: 'app' });
      const layer = image.blob('layer');
      const begun = blobFixture({ random: 6_000_000 });
      const half = await client.appendUpload(await openUpload(client, repository), begun.bytes.subarray(0, 2_000_000));
      expectSession(half, 202, repository, 2_000_000);

      await bench.minio.kill();
      const small = blobFixture({ random: 1000 });
      const refused = [
        await timed(5_000, async () => client.completeUpload(await openUpload(client, repository), small.digest, { body: small.bytes })),
        await timed(5_000, () => client.appendUpload(locationOf(half), begun.bytes.subarray(2_000_000), { 'Content-Range': `2000000-${begun.size - 1}` })),
        await timed(5_000, () => client.getBlob(repository, layer.digest)),
        await timed(5_000, () => client.getBlob(repository, layer.digest, { Range: 'bytes=5-99999' })),
      ];
      for (const answer of refused) expectUnavailable(answer);
      expectStatus(await client.headBlob(repository, layer.digest), 200);
      const { digest, bytes, mediaType } = image.manifest('app');
      expectStatus(await client.putManifest(repository, 'again', bytes, mediaType), 201);
      expect((await client.getManifest(repository, 'again')).header('Docker-Content-Digest')).toBe(digest);

      await bench.minio.restart();
      const back = await until(10_000, () => client.getBlob(repository, layer.digest), ({ status }) => status === 200);
      expect(back.body.equals(layer.bytes)).toBe(true);
      expectSession(await client.uploadStatus(locationOf(half)), 204, repository, 2_000_000);
      // each replica notices by itself, within a second or two; until then it says 503 and has changed nothing
      const rest = await until(10_000, () => client.appendUpload(locationOf(half), begun.bytes.subarray(2_000_000)), ({ status }) => status !== 503);
      expectSession(rest, 202, repository, begun.size);
      expectBlobCreated(await until(10_000, () => client.completeUpload(locationOf(rest), begun.digest), ({ status }) => status !== 503), repository, begun.digest);
      expect((await client.getBlob(repository, begun.digest)).body.equals(begun.bytes)).toBe(true);
      await logIsEqual(() => bench.database).check();
    } finally {
      client.close();
      await registry.stop();
      await bench.close();
    }
  });
});

if (binaries !== undefined) describe('a registry whose storage is not usable', () => {
  it.each([
    ['the bucket is gone', { WAYBILL_STORAGE_BUCKET: 'another' }],
    ['the credentials are wrong', { WAYBILL_STORAGE_SECRET_KEY: 'wrong-secret-key' }],
  ])('says in /readyz and its log that %s, answers 503 and never that a blob is unknown, and manifests go on', async (_what, settings) => {
    const bench = await s3Bench(binaries.minio);
    const good = await RegistryProcess.start({ databaseUrl: bench.database.url, settings: bench.settings });
    const bad = await RegistryProcess.start({ databaseUrl: bench.database.url, settings: { ...bench.settings, ...settings } });
    const [pusher, client] = [new RegistryClient(good.baseUrl), new RegistryClient(bad.baseUrl)];
    try {
      const image = buildContent({ blobs: { config: { random: 200 }, layer: { random: 300_000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });
      await pushContent(pusher, repository, image, { latest: 'app' });
      const readiness = await fetch(`${bad.baseUrl}/readyz`);
      expect([readiness.status, await readiness.json()]).toMatchObject([503, { status: 'failing', checks: { storage: 'failing', database: 'ok' } }]);
      for (const blob of image.blobs()) expectUnavailable(await client.getBlob(repository, blob.digest));
      const small = blobFixture({ random: 1000 });
      expectUnavailable(await client.completeUpload(await openUpload(client, repository), small.digest, { body: small.bytes }));
      expectStatus(await client.getManifest(repository, 'latest'), 200);
    } finally {
      pusher.close();
      client.close();
      await Promise.all([good.stop(), bad.stop()]);
      await bench.close();
    }
    // lines are written a moment after what they tell
    expect(bad.logs()).toMatch(/does not exist|SignatureDoesNotMatch/);
  });
});

function expectUnavailable(answer: HttpAnswer): void {
  expectError(answer, 503, 'UNAVAILABLE');
  expect(Number(answer.header('Retry-After'))).toBeLessThan(5);
}

/** The answer, which has to come within `milliseconds`. */
async function timed(milliseconds: number, ask: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
  const began = performance.now();
  const answer = await ask();
  expect(performance.now() - began).toBeLessThan(milliseconds);
  return answer;
}

async function until(milliseconds: number, ask: () => Promise<HttpAnswer>, holds: (answer: HttpAnswer) => boolean): Promise<HttpAnswer> {
  for (const end = performance.now() + milliseconds; ; await delay(100)) {
    const answer = await ask();
    if (holds(answer) || performance.now() > end) return answer;
  }
}
