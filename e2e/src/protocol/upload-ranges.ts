import { blobFixture, freshBytes, locationOf, openUpload, RawConnection, type HttpAnswer, type RegistryClient } from '@waybill/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { expectBlobCreated, expectError, expectOneOf, expectSession } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

const range = (start: number, end: number) => ({ 'Content-Range': `${start}-${end}` });

/** The rows of section 2 about `Content-Range`, two writers and clients that go away; U3 is the flow of the conformance tool. */
export function describeUploadRanges(test: RegistryTest): void {
  const bytes = freshBytes(3067);
  const blob = blobFixture(bytes);
  const chunk = (start: number, end: number): Buffer => bytes.subarray(start, end + 1);

  describe('chunks with a Content-Range', () => {
    test('chunks in order are appended, the last one by PATCH or by PUT', async ({ client, repository }) => {
      for (const last of ['PATCH', 'PUT']) {
        let answer = await client.appendUpload(await openUpload(client, repository), chunk(0, 1023), range(0, 1023));
        expectSession(answer, 202, repository, 1024);
        answer = await client.appendUpload(locationOf(answer), chunk(1024, 2047), range(1024, 2047));
        expectSession(answer, 202, repository, 2048);
        if (last === 'PATCH') answer = await client.appendUpload(locationOf(answer), chunk(2048, 3066), range(2048, 3066));
        const options = last === 'PUT' ? { body: chunk(2048, 3066), headers: range(2048, 3066) } : {};
        expectBlobCreated(await client.completeUpload(locationOf(answer), blob.digest, options), repository, blob.digest);
      }
    });

    for (const last of ['PATCH', 'PUT'] as const) {
      test(`chunks out of order are 416, change nothing and name the way on; the last is a ${last}`, async ({ client, repository }) => {
        const send = (location: string, start: number, end: number, by: 'PATCH' | 'PUT' = 'PATCH') =>
          by === 'PATCH'
            ? client.appendUpload(location, chunk(start, end), range(start, end))
            : client.completeUpload(location, blob.digest, { body: chunk(start, end), headers: range(start, end) });

        const early = expectOutOfOrder(await send(await openUpload(client, repository), 1024, 2047), repository, 0);
        expectSession(await client.uploadStatus(early), 204, repository, 0);
        const first = await send(early, 0, 1023);
        expectSession(first, 202, repository, 1024);
        const skipped = expectOutOfOrder(await send(locationOf(first), 2048, 3066, last), repository, 1024);
        expectSession(await client.uploadStatus(skipped), 204, repository, 1024);
        const second = await send(skipped, 1024, 2047);
        expectSession(second, 202, repository, 2048);
        const repeated = expectOutOfOrder(await send(locationOf(second), 0, 1023), repository, 2048);
        const done = await send(repeated, 2048, 3066, last);
        expectBlobCreated(last === 'PUT' ? done : await client.completeUpload(locationOf(done), blob.digest), repository, blob.digest);
        expect((await client.getBlob(repository, blob.digest)).body.equals(bytes)).toBe(true);
      });
    }

    test('a malformed Content-Range is 416 and the session stays as it was', async ({ client, repository }) => {
      const first = await client.appendUpload(await openUpload(client, repository), chunk(0, 1023));
      for (const malformed of ['bytes 1024-2047/3067', 'bytes=1024-2047', '1024', '1024-', '-1024', '2047-1024', 'a-b', '1024-2047/3067', '1024-99999999999999999999']) {
        const answer = await client.appendUpload(locationOf(first), chunk(1024, 2047), { 'Content-Range': malformed });
        expectOneOf(answer, malformed.startsWith('1024-9') ? ['416 BLOB_UPLOAD_INVALID', '400 SIZE_INVALID'] : ['416 BLOB_UPLOAD_INVALID']);
      }
      expectSession(await client.uploadStatus(locationOf(first)), 204, repository, 1024);
    });

    test('a Content-Range of another length than the body is 400 SIZE_INVALID, and no byte of it is kept', async ({ client, repository }) => {
      const location = await openUpload(client, repository);
      expectError(await client.appendUpload(location, chunk(0, 99), range(0, 199)), 400, 'SIZE_INVALID');
      expectError(await client.appendUpload(location, chunk(0, 99), range(0, 49)), 400, 'SIZE_INVALID');
      expectSession(await client.uploadStatus(location), 204, repository, 0);
    });
  });

  describe('two writers and lost clients', () => {
    test('of two PATCH requests at once exactly one wins; the loser gets 416 with the true range', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      // A first writer that holds the session with a body that does not end.
      const slow = await startPatch(client, location, 1000, 500);
      await delay(200);
      const loser = await client.appendUpload(location, 'other');
      expectOneOf(loser, ['416 BLOB_UPLOAD_INVALID', '409 BLOB_UPLOAD_INVALID']);
      expect(loser.header('Range')).toEqual(expect.stringMatching(/^0-\d+$/));
      slow.write(freshBytes(500));
      expect(await slow.status()).toBe(202);
      expectSession(await client.uploadStatus(location), 204, repository, 1000);
      slow.destroy();
    });

    test('a PUT that races a PATCH cannot commit half of it', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const slow = await startPatch(client, location, 1000, 500);
      await delay(200);
      expectOneOf(await client.completeUpload(location, blobFixture('').digest), ['416 BLOB_UPLOAD_INVALID', '409 BLOB_UPLOAD_INVALID']);
      slow.write(freshBytes(500));
      expect(await slow.status()).toBe(202);
      slow.destroy();
    });

    test('two equal PATCH requests with a Content-Range sent together: one 202, one 416, the bytes once', async ({ client, repository }) => {
      for (let round = 0; round < 5; round += 1) {
        const location = await openUpload(client, repository);
        const answers = await Promise.all([0, 1].map(() => client.appendUpload(location, chunk(0, 1023), range(0, 1023))));
        expect(answers.map((answer) => answer.status).toSorted()).toEqual([202, 416]);
        expectSession(await client.uploadStatus(location), 204, repository, 1024);
      }
    });

    test('after a client went away in the middle of a PATCH the status tells the true offset, and the upload goes on from there', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const lost = await startPatch(client, location, bytes.length, 2000, bytes);
      await delay(200);
      lost.destroy();
      const next = await resume(client, location, bytes);
      expectSession(next, 202, repository, bytes.length);
      expectBlobCreated(await client.completeUpload(locationOf(next), blob.digest), repository, blob.digest);
      expect((await client.getBlob(repository, blob.digest)).body.equals(bytes)).toBe(true);
    });

    test('a client that goes away in the middle of a PUT leaves no blob', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`PUT ${location}${location.includes('?') ? '&' : '?'}digest=${blob.digest} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Length: ${bytes.length}\r\n\r\n`);
      connection.write(bytes.subarray(0, 1000));
      await delay(100);
      connection.destroy();
      await delay(100);
      expect((await client.headBlob(repository, blob.digest)).status).toBe(404);
    });
  });
}

/** `416` with everything a client needs to go on; gives the location. */
function expectOutOfOrder(answer: HttpAnswer, repository: string, received: number): string {
  expectError(answer, 416, 'BLOB_UPLOAD_INVALID');
  expect(answer.header('Range')).toBe(`0-${Math.max(received - 1, 0)}`);
  expect(answer.header('Docker-Upload-UUID')).toEqual(expect.any(String));
  expect(locationOf(answer)).toContain(`/v2/${repository}/blobs/uploads/`);
  return locationOf(answer);
}

/** Sends the head of a PATCH of `length` bytes and the first `sent` of them. */
async function startPatch(client: RegistryClient, location: string, length: number, sent: number, bytes: Buffer = freshBytes(sent)): Promise<RawConnection> {
  const connection = await RawConnection.open(client.baseUrl);
  connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Type: application/octet-stream\r\nContent-Length: ${length}\r\n\r\n`);
  connection.write(bytes.subarray(0, sent));
  return connection;
}

/** Sends the rest of `bytes` from where the session says that it stands. It may take the registry a moment to see that the client before is gone. */
async function resume(client: RegistryClient, location: string, bytes: Buffer): Promise<HttpAnswer> {
  for (let tries = 0; ; tries += 1) {
    const last = Number((await client.uploadStatus(location)).header('Range')?.split('-')[1]);
    // 0-0 stands for no byte as well as for one (U2); no test here sends just one.
    const received = last === 0 ? 0 : last + 1;
    const answer = await client.appendUpload(location, bytes.subarray(received), range(received, bytes.length - 1));
    if (answer.status === 202 || tries === 30) return answer;
    await delay(100);
  }
}
