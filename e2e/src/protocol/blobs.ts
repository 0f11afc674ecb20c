import { blobFixture, digestOf, freshBytes, inPieces, locationOf, openUpload, pushBlob, unknownDigest, type BlobFixture, type RegistryClient } from '@waybill/testing';
import { expectError, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

type PushPath = (client: RegistryClient, repository: string, blob: BlobFixture) => Promise<number>;

/** Every way in which a blob can be pushed; gives the last status. */
export const pushPaths: Readonly<Record<string, PushPath>> = {
  'POST, then PUT with the body': async (client, repository, blob) => (await client.completeUpload(await openUpload(client, repository), blob.digest, { body: blob.bytes })).status,
  'one POST with the body': async (client, repository, blob) => (await client.startUpload(repository, { query: `?digest=${blob.digest}`, body: blob.bytes })).status,
  'POST, PATCH with a length, PUT': async (client, repository, blob) => {
    const next = await client.appendUpload(await openUpload(client, repository), blob.bytes);
    return (await client.completeUpload(locationOf(next), blob.digest)).status;
  },
  'POST, chunked PATCH, PUT': async (client, repository, blob) => {
    const next = await client.appendUpload(await openUpload(client, repository), inPieces(blob.bytes, 1000));
    return (await client.completeUpload(locationOf(next), blob.digest)).status;
  },
  'POST, then chunked PUT': async (client, repository, blob) => (await client.completeUpload(await openUpload(client, repository), blob.digest, { body: inPieces(blob.bytes, 1000) })).status,
};

/** Row 2 of section 1 (end-2), G12, U5, U7, U8, and section 7 point 5. */
export function describeBlobs(test: RegistryTest): void {
  describe('blobs', () => {
    test('GET sends the exact bytes with length, digest, type, ETag, Accept-Ranges and Cache-Control', async ({ client, repository }) => {
      const blob = blobFixture({ random: 3000 });
      await pushBlob(client, repository, blob);
      const answer = await client.getBlob(repository, blob.digest);
      expectStatus(answer, 200);
      expect(answer.body.equals(blob.bytes)).toBe(true);
      expectBlobHeaders(answer.headers, blob);
    });

    test('HEAD sends the same headers and no body', async ({ client, repository }) => {
      const blob = blobFixture({ random: 3000 });
      await pushBlob(client, repository, blob);
      const answer = await client.headBlob(repository, blob.digest);
      expect([answer.status, answer.body.length]).toEqual([200, 0]);
      expectBlobHeaders(answer.headers, blob);
    });

    test('a blob is never sent encoded, whatever Accept-Encoding offers', async ({ client, repository }) => {
      const blob = blobFixture('text that would compress '.repeat(1000));
      await pushBlob(client, repository, blob);
      const answer = await client.getBlob(repository, blob.digest, { 'Accept-Encoding': 'zstd,gzip,deflate' });
      expect(answer.body.equals(blob.bytes)).toBe(true);
      expectBlobHeaders(answer.headers, blob);
    });

    test('a browser is told to download a blob and not to guess its type', async ({ client, repository }) => {
      const blob = blobFixture('<script>alert(1)</script>');
      await pushBlob(client, repository, blob);
      const answer = await client.getBlob(repository, blob.digest, { Accept: 'text/html' });
      expect(answer.header('Content-Type')).toBe('application/octet-stream');
      expect(answer.header('X-Content-Type-Options')).toBe('nosniff');
      expect(answer.header('Content-Disposition')).toMatch(/^attachment/);
    });

    test('If-None-Match with the digest is 304 without a body, alone or in a list', async ({ client, repository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      for (const tags of [`"${blob.digest}"`, `"other", "${blob.digest}"`]) {
        const answer = await client.getBlob(repository, blob.digest, { 'If-None-Match': tags });
        expect([answer.status, answer.body.length, answer.header('ETag')]).toEqual([304, 0, `"${blob.digest}"`]);
      }
      expectStatus(await client.getBlob(repository, blob.digest, { 'If-None-Match': '"other"' }), 200);
    });

    test('the ns parameter of a proxy client is ignored', async ({ client, repository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      expectStatus(await client.get(`/v2/${repository}/blobs/${blob.digest}?ns=registry.example.org`), 200);
    });

    test('a blob of another repository is 404 BLOB_UNKNOWN here, like one that nobody has', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, otherRepository, blob);
      await pushBlob(client, repository, blobFixture('something else'));
      const foreign = await client.getBlob(repository, blob.digest);
      expectError(foreign, 404, 'BLOB_UNKNOWN');
      expect((await client.headBlob(repository, blob.digest)).status).toBe(404);
      const unknown = await client.getBlob(repository, unknownDigest());
      expect(foreign.body.toString().replace(/[0-9a-f]{64}/g, '')).toBe(unknown.body.toString().replace(/[0-9a-f]{64}/g, ''));
    });

    test('a blob pushed as sha512 is served under its sha512 digest and names it', async ({ client, repository }) => {
      const blob = blobFixture({ random: 5000, algorithm: 'sha512' });
      for (const push of Object.values(pushPaths)) expect(await push(client, repository, blob)).toBe(201);
      const answer = await client.getBlob(repository, blob.digest);
      expect(answer.body.equals(blob.bytes)).toBe(true);
      expectBlobHeaders(answer.headers, blob);
    });

    test('16 MiB arrive and leave unchanged', async ({ client, repository }) => {
      const bytes = freshBytes(16 * 1024 * 1024 + 7);
      const blob = blobFixture(bytes);
      const next = await client.appendUpload(await openUpload(client, repository), inPieces(bytes, 300_001));
      expectStatus(await client.completeUpload(locationOf(next), blob.digest), 201);
      expect(digestOf((await client.getBlob(repository, blob.digest)).body)).toBe(blob.digest);
    });

    for (const [name, push] of Object.entries(pushPaths)) {
      test(`${name}: ordinary, empty and {} blobs round-trip in both algorithms`, async ({ client, repository }) => {
        for (const algorithm of ['sha256', 'sha512'] as const) {
          for (const bytes of [freshBytes(2048), Buffer.alloc(0), Buffer.from('{}')]) {
            const blob = blobFixture({ bytes, algorithm });
            // An empty body with `?digest=` of the empty blob is a whole upload; the row of section 2 says 201.
            expect([name, algorithm, bytes.length, await push(client, repository, blob)]).toEqual([name, algorithm, bytes.length, 201]);
            const got = await client.getBlob(repository, blob.digest);
            expect([got.status, got.header('Content-Length'), got.body.equals(bytes)]).toEqual([200, String(bytes.length), true]);
            const head = await client.headBlob(repository, blob.digest);
            expect([head.status, head.header('Content-Length'), head.header('Docker-Content-Digest')]).toEqual([200, String(bytes.length), blob.digest]);
          }
        }
      });
    }

    test('a blob that is there already can be pushed again, and by many clients at once', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 50_000 });
      await pushBlob(client, repository, blob);
      const paths = Object.values(pushPaths);
      const statuses = await Promise.all([...paths, ...paths].map((push, i) => push(client, i % 2 === 0 ? repository : otherRepository, blob)));
      expect(new Set(statuses)).toEqual(new Set([201]));
      for (const name of [repository, otherRepository]) expect((await client.getBlob(name, blob.digest)).body.equals(blob.bytes)).toBe(true);
    });
  });
}

function expectBlobHeaders(headers: Readonly<Record<string, unknown>>, blob: BlobFixture): void {
  expect(headers).toMatchObject({
    'content-length': String(blob.size),
    'content-type': 'application/octet-stream',
    'docker-content-digest': blob.digest,
    'accept-ranges': 'bytes',
    etag: `"${blob.digest}"`,
    'cache-control': expect.stringContaining('max-age=31536000'),
    'docker-distribution-api-version': 'registry/2.0',
  });
  expect(headers).not.toHaveProperty('content-encoding');
  expect(headers).not.toHaveProperty('transfer-encoding');
}
