import { blobFixture, freshBytes, inPieces, locationOf, openUpload, pushBlob, unknownDigest } from '@waybill/testing';
import { expectBlobCreated, expectError, expectSession, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

const upTo = (start: number, end: number) => ({ 'Content-Range': `${start}-${end}` });

/** Rows 4a, 4b, 4c, 5, 6, 13 and 14 of section 1, the state table of section 2 without ranges (see upload-ranges), U1, U2 and U6. */
export function describeUploads(test: RegistryTest): void {
  describe('starting an upload', () => {
    test('POST opens an empty session: 202, Location with the id, Docker-Upload-UUID and Range 0-0', async ({ client, repository }) => {
      expectSession(await client.startUpload(repository), 202, repository, 0);
    });

    test('a Content-Type on the POST does not matter', async ({ client, repository }) => {
      expectSession(await client.startUpload(repository, { headers: { 'Content-Type': 'application/json' } }), 202, repository, 0);
    });

    test('session ids are never the same', async ({ client, repository }) => {
      const answers = await Promise.all(Array.from({ length: 20 }, () => client.startUpload(repository)));
      expect(new Set(answers.map((answer) => answer.header('Docker-Upload-UUID'))).size).toBe(20);
    });

    test('POST with ?digest= and the body stores the blob at once', async ({ client, repository }) => {
      const blob = blobFixture({ random: 1000 });
      expectBlobCreated(await client.startUpload(repository, { query: `?digest=${blob.digest}`, body: blob.bytes }), repository, blob.digest);
    });

    test('POST with ?digest= and a body of another digest is 400 DIGEST_INVALID and keeps nothing', async ({ client, repository }) => {
      const digest = unknownDigest();
      expectError(await client.startUpload(repository, { query: `?digest=${digest}`, body: 'something else' }), 400, 'DIGEST_INVALID');
      expectStatus(await client.headBlob(repository, digest), 404);
    });

    test('POST with ?digest= and no body only announces the digest: 202 with a session, unless it is the digest of nothing', async ({ client, repository }) => {
      const blob = blobFixture({ random: 10 });
      const announced = await client.startUpload(repository, { query: `?digest=${blob.digest}` });
      expectSession(announced, 202, repository, 0);
      expectBlobCreated(await client.completeUpload(locationOf(announced), blob.digest, { body: blob.bytes }), repository, blob.digest);
      const empty = blobFixture('');
      expectBlobCreated(await client.startUpload(repository, { query: `?digest=${empty.digest}` }), repository, empty.digest);
    });

    test('POST with a malformed ?digest= is 400 DIGEST_INVALID', async ({ client, repository }) => {
      for (const digest of ['sha256:x', 'md5:d41d8cd98f00b204e9800998ecf8427e', '']) {
        expectError(await client.startUpload(repository, { query: `?digest=${digest}`, body: 'x' }), 400, 'DIGEST_INVALID');
      }
    });

    test('POST with ?digest-algorithm= opens a session for that algorithm; an unknown one is 400 DIGEST_INVALID', async ({ client, repository }) => {
      const blob = blobFixture({ random: 5000, algorithm: 'sha512' });
      const session = await client.startUpload(repository, { query: '?digest-algorithm=sha512' });
      expectSession(session, 202, repository, 0);
      const next = await client.appendUpload(locationOf(session), blob.bytes);
      expectBlobCreated(await client.completeUpload(locationOf(next), blob.digest), repository, blob.digest);
      expectError(await client.startUpload(repository, { query: '?digest-algorithm=md5' }), 400, 'DIGEST_INVALID');
    });

    test('an announced algorithm does not bind: the digest of the PUT decides', async ({ client, repository }) => {
      const blob = blobFixture({ random: 5000 });
      const session = await client.startUpload(repository, { query: '?digest-algorithm=sha512' });
      expectBlobCreated(await client.completeUpload(locationOf(session), blob.digest, { body: blob.bytes }), repository, blob.digest);
    });
  });

  describe('sending bytes', () => {
    test('PATCH without a range appends, chunked or with a length, and tells what arrived', async ({ client, repository }) => {
      const bytes = freshBytes(3000);
      const first = await client.appendUpload(await openUpload(client, repository), inPieces(bytes.subarray(0, 1000), 100));
      expectSession(first, 202, repository, 1000);
      const second = await client.appendUpload(locationOf(first), bytes.subarray(1000, 2500));
      expectSession(second, 202, repository, 2500);
      const blob = blobFixture(bytes);
      expectBlobCreated(await client.completeUpload(locationOf(second), blob.digest, { body: bytes.subarray(2500) }), repository, blob.digest);
      expect((await client.getBlob(repository, blob.digest)).body.equals(bytes)).toBe(true);
    });

    test('PATCH without a Content-Type is accepted', async ({ client, repository }) => {
      const answer = await client.send({ method: 'PATCH', path: client.resolve(await openUpload(client, repository)), body: 'abc' });
      expectSession(answer, 202, repository, 3);
    });

    test('PATCH of no bytes changes nothing, before the first byte and after it', async ({ client, repository }) => {
      const empty = await client.appendUpload(await openUpload(client, repository), Buffer.alloc(0));
      expectSession(empty, 202, repository, 0);
      const some = await client.appendUpload(locationOf(empty), 'abc');
      expectSession(await client.appendUpload(locationOf(some), Buffer.alloc(0)), 202, repository, 3);
    });

    test('many small chunks make one blob, in both algorithms', async ({ client, repository }) => {
      const bytes = freshBytes(64 * 40);
      for (const algorithm of ['sha256', 'sha512'] as const) {
        let location = await openUpload(client, repository);
        for (let start = 0; start < bytes.length; start += 64) location = locationOf(await client.appendUpload(location, bytes.subarray(start, start + 64), upTo(start, start + 63)));
        const blob = blobFixture({ bytes, algorithm });
        expectBlobCreated(await client.completeUpload(location, blob.digest), repository, blob.digest);
        expect((await client.getBlob(repository, blob.digest)).body.equals(bytes)).toBe(true);
      }
    });

    test('GET and HEAD of the session tell how far it got', async ({ client, repository }) => {
      const location = await openUpload(client, repository);
      expectSession(await client.uploadStatus(location), 204, repository, 0);
      const next = locationOf(await client.appendUpload(location, freshBytes(10)));
      expectSession(await client.uploadStatus(next), 204, repository, 10);
      const head = await client.head(client.resolve(next));
      expect([head.status, head.header('Range')]).toEqual([204, '0-9']);
    });

    test('the Location survives further query parameters of the client', async ({ client, repository }) => {
      const location = await openUpload(client, repository);
      const path = client.resolve(location);
      const answer = await client.send({ method: 'PATCH', path: `${path}${path.includes('?') ? '&' : '?'}ns=registry.example.org`, body: 'abc' });
      expectSession(answer, 202, repository, 3);
      expect(locationOf(answer)).not.toMatch(/[?&]digest=/);
    });
  });

  describe('completing an upload', () => {
    test('PUT with the whole body, with the last bytes or with none makes the blob visible at once', async ({ client, repository }) => {
      const bytes = freshBytes(100);
      const blob = blobFixture(bytes);
      for (const sent of [0, 60, 100]) {
        const location = locationOf(await client.appendUpload(await openUpload(client, repository), bytes.subarray(0, sent)));
        const rest = bytes.subarray(sent);
        expectBlobCreated(await client.completeUpload(location, blob.digest, rest.length > 0 ? { body: rest } : {}), repository, blob.digest);
        expect((await client.headBlob(repository, blob.digest)).header('Content-Length')).toBe('100');
        await client.deleteBlob(repository, blob.digest);
      }
    });

    test('the digest may be percent-encoded, and another parameter may stand before it', async ({ client, repository }) => {
      const blob = blobFixture({ random: 10 });
      const path = client.resolve(await openUpload(client, repository));
      const answer = await client.send({ method: 'PUT', path: `${path}${path.includes('?') ? '&' : '?'}ns=x&digest=${encodeURIComponent(blob.digest)}`, body: blob.bytes });
      expectBlobCreated(answer, repository, blob.digest);
    });

    test('PUT with another digest than the bytes have is 400 DIGEST_INVALID, keeps nothing and ends the session', async ({ client, repository }) => {
      const digest = unknownDigest();
      const location = locationOf(await client.appendUpload(await openUpload(client, repository), 'something else'));
      expectError(await client.completeUpload(location, digest), 400, 'DIGEST_INVALID');
      expectStatus(await client.headBlob(repository, digest), 404);
      expectError(await client.uploadStatus(location), 404, 'BLOB_UPLOAD_UNKNOWN');
    });

    test('PUT without a digest or with a malformed one is 400 DIGEST_INVALID, and the session stays for another try', async ({ client, repository }) => {
      const blob = blobFixture({ random: 10 });
      const location = locationOf(await client.appendUpload(await openUpload(client, repository), blob.bytes));
      expectError(await client.send({ method: 'PUT', path: client.resolve(location), headers: { 'Content-Length': 0 } }), 400, 'DIGEST_INVALID');
      expectError(await client.completeUpload(location, 'sha256:short'), 400, 'DIGEST_INVALID');
      expectSession(await client.uploadStatus(location), 204, repository, 10);
      expectBlobCreated(await client.completeUpload(location, blob.digest), repository, blob.digest);
    });

    test('a repeated PUT of a completed upload is 201 again, and nothing else works on it', async ({ client, repository }) => {
      const blob = blobFixture({ random: 10 });
      const location = locationOf(await client.appendUpload(await openUpload(client, repository), blob.bytes));
      expectBlobCreated(await client.completeUpload(location, blob.digest), repository, blob.digest);
      expectBlobCreated(await client.completeUpload(location, blob.digest), repository, blob.digest);
      expectError(await client.uploadStatus(location), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.appendUpload(location, 'more'), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.cancelUpload(location), 404, 'BLOB_UPLOAD_UNKNOWN');
      expect((await client.completeUpload(location, unknownDigest())).status).not.toBe(201);
    });
  });

  describe('cancelling an upload', () => {
    test('DELETE is 204, and every later call is 404 BLOB_UPLOAD_UNKNOWN', async ({ client, repository }) => {
      const location = locationOf(await client.appendUpload(await openUpload(client, repository), 'abc'));
      expectStatus(await client.cancelUpload(location), 204);
      expectError(await client.uploadStatus(location), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.appendUpload(location, 'abc'), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.completeUpload(location, blobFixture('abc').digest), 404, 'BLOB_UPLOAD_UNKNOWN');
      expectError(await client.cancelUpload(location), 404, 'BLOB_UPLOAD_UNKNOWN');
    });

    test('a session that nobody opened is 404 BLOB_UPLOAD_UNKNOWN for every call', async ({ client, repository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      for (const id of ['7a1c9b1e-0000-4000-8000-000000000000', 'nothing', 'A'.repeat(22), '..', '%2e%2e']) {
        const location = `/v2/${repository}/blobs/uploads/${id}`;
        for (const [method, path] of [['GET', location], ['PATCH', location], ['PUT', `${location}?digest=${unknownDigest()}`], ['DELETE', location]] as const) {
          const answer = await client.send({ method, path, ...(method === 'PATCH' || method === 'PUT' ? { body: 'x' } : {}) });
          expect([400, 404]).toContain(answer.status);
          if (/^[\w-]+$/.test(id)) expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN');
        }
      }
    });
  });
}
