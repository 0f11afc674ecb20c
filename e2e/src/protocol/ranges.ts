import { blobFixture, pushBlob } from '@waybill/testing';
import { expectOneOf, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** Range GET of section 1 ("exact behaviour"), and the range points of section 7.13. */
export function describeRanges(test: RegistryTest): void {
  describe('ranges of a blob', () => {
    const blob = blobFixture({ random: 2048 });
    const satisfiable: readonly (readonly [string, number, number])[] = [
      ['bytes=500-1499', 500, 1499],
      ['bytes=0-0', 0, 0],
      ['bytes=2047-2047', 2047, 2047],
      ['bytes=500-', 500, 2047],
      ['bytes=-500', 1548, 2047],
      ['bytes=-5000', 0, 2047],
      ['bytes=2000-5000', 2000, 2047],
      ['bytes=0-99999999999999999999', 0, 2047],
    ];

    for (const [range, start, end] of satisfiable) {
      test(`${range} of 2048 bytes is 206 with the bytes ${start} to ${end}`, async ({ client, repository }) => {
        await pushBlob(client, repository, blob);
        const answer = await client.getBlob(repository, blob.digest, { Range: range });
        expectStatus(answer, 206);
        expect(answer.header('Content-Range')).toBe(`bytes ${start}-${end}/2048`);
        expect(answer.header('Content-Length')).toBe(String(end - start + 1));
        expect(answer.header('Docker-Content-Digest')).toBe(blob.digest);
        expect(answer.body.equals(blob.bytes.subarray(start, end + 1))).toBe(true);
      });
    }

    test('a range outside the blob is 416 with its size', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0']) {
        const answer = await client.getBlob(repository, blob.digest, { Range: range });
        expect([range, answer.status, answer.header('Content-Range')]).toEqual([range, 416, 'bytes */2048']);
      }
    });

    test('a range of another unit or form is ignored or refused, never half obeyed', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      for (const range of ['items=0-1', 'bytes=a-b', 'bytes', 'bytes=', 'bytes=1-2-3', 'bytes=--1']) {
        const answer = await client.getBlob(repository, blob.digest, { Range: range });
        expect([200, 400, 416]).toContain(answer.status);
        if (answer.status === 200) expect(answer.body.equals(blob.bytes)).toBe(true);
      }
    });

    test('a range of the empty blob is 416 or the whole', async ({ client, repository }) => {
      const empty = blobFixture('');
      await pushBlob(client, repository, empty);
      expectOneOf(await client.getBlob(repository, empty.digest, { Range: 'bytes=0-' }), ['200', '416 BLOB_UPLOAD_INVALID']);
    });

    test('several ranges come as multipart/byteranges with their exact bytes, or as the whole', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      const answer = await client.getBlob(repository, blob.digest, { Range: 'bytes=0-9,1000-1009' });
      if (answer.status === 200) return expect(answer.body.equals(blob.bytes)).toBe(true);
      expectStatus(answer, 206);
      const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(answer.header('Content-Type') ?? '')?.[1] ?? '';
      const parts = answer.body.toString('latin1').split(`--${boundary}`).slice(1, -1);
      const bodies = parts.map((part) => part.slice(part.indexOf('\r\n\r\n') + 4, -2));
      expect(bodies).toEqual([blob.bytes.subarray(0, 10), blob.bytes.subarray(1000, 1010)].map((bytes) => bytes.toString('latin1')));
      expect(parts.map((part) => /Content-Range: (.+)\r\n/i.exec(part)?.[1])).toEqual(['bytes 0-9/2048', 'bytes 1000-1009/2048']);
    });

    test('a thousand ranges, or overlapping ones, cost no more than the blob', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      for (const range of [`bytes=${Array.from({ length: 1000 }, (_, i) => `${i}-${i}`).join(',')}`, `bytes=${'0-2047,'.repeat(12)}0-2047`]) {
        const answer = await client.getBlob(repository, blob.digest, { Range: range });
        expect([200, 206, 400, 416]).toContain(answer.status);
        expect(answer.body.length).toBeLessThan(2048 * 3);
      }
    });

    test('a range with If-None-Match of the digest is 304', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      expectStatus(await client.getBlob(repository, blob.digest, { Range: 'bytes=0-1', 'If-None-Match': `"${blob.digest}"` }), 304);
    });

    test('If-Range with the digest gives the range, with anything else the whole', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      expectStatus(await client.getBlob(repository, blob.digest, { Range: 'bytes=0-1', 'If-Range': `"${blob.digest}"` }), 206);
      expectStatus(await client.getBlob(repository, blob.digest, { Range: 'bytes=0-1', 'If-Range': '"other"' }), 200);
    });

    test('a range does not apply to HEAD, which tells the whole length', async ({ client, repository }) => {
      await pushBlob(client, repository, blob);
      const answer = await client.headBlob(repository, blob.digest, { Range: 'bytes=0-9' });
      expect([answer.status, answer.header('Content-Length')]).toEqual([200, '2048']);
    });
  });
}
