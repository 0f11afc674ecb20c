import { blobFixture, blobPath, freshBytes, mediaTypes, openUpload, pushBlob, RawConnection, RegistryClient } from '@waybill/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** Section 7 point 13 and Appendix A: what clients and attackers do to a connection. */
export function describeHostileConnections(test: RegistryTest, { chunksWin = false }: { readonly chunksWin?: boolean }): void {
  describe('hostile connections', () => {
    test('a header over 16 KiB is 431, and the server goes on', async ({ client }) => {
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\n${client.headerLines}X-Long: ${'a'.repeat(20_000)}\r\n\r\n`);
      expect([431, undefined]).toContain(await connection.status());
      connection.destroy();
      expectStatus(await client.ping(), 200);
    });

    test(`a request with both Content-Length and Transfer-Encoding is ${chunksWin ? 'one request' : 'refused'} and the connection closed`, async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n${client.headerLines}\r\n`);
      expect(await connection.until(({ closed }) => closed)).toBe(true);
      expect(connection.statuses().filter((status) => status < 400)).toEqual(chunksWin ? [202] : []);
    });

    const malformed: Readonly<Record<string, string>> = {
      'two different lengths': 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde',
      'a length that is no number': 'Content-Length: five\r\n\r\nabcde',
      'a negative length': 'Content-Length: -5\r\n\r\nabcde',
      'an unknown transfer encoding': 'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n',
      'a chunk size that is no number': 'Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n',
      'a chunk size over 2^64': `Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(17)}\r\nabc\r\n0\r\n\r\n`,
      'a bare line feed smuggled into a header': 'X: a\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc',
    };
    for (const [what, rest] of Object.entries(malformed)) {
      test(`${what}: refused, and nothing of it is taken for a second request`, async ({ client, repository }) => {
        const location = client.resolve(await openUpload(client, repository));
        const connection = await RawConnection.open(client.baseUrl);
        connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\n${client.headerLines}${rest}`);
        await connection.until(({ closed }) => closed);
        expect(connection.statuses().filter((status) => status < 400)).toEqual([]);
        connection.destroy();
        expectStatus(await client.ping(), 200);
      });
    }

    test('a request without Host is 400', async ({ client }) => {
      const connection = await RawConnection.open(client.baseUrl);
      connection.write('GET /v2/ HTTP/1.1\r\n\r\n');
      expect(await connection.status()).toBe(400);
      connection.destroy();
    });

    test('Expect: 100-continue is answered before the body is sent', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Length: 3\r\nExpect: 100-continue\r\n\r\n`);
      expect(await connection.until((open) => open.statuses()[0] === 100)).toBe(true);
      connection.write('abc');
      expect(await connection.status()).toBe(202);
      connection.destroy();
    });

    test('a huge Content-Length with a close after few bytes leaves the session with what was kept', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Length: 1099511627776\r\n\r\nabc`);
      await delay(100);
      connection.destroy();
      let answer = await client.appendUpload(location, 'def');
      for (let tries = 0; tries < 30 && answer.status !== 202; tries += 1) {
        await delay(100);
        answer = await client.appendUpload(location, 'def');
      }
      expect(['202 0-2', '202 0-5']).toContain(`${answer.status} ${answer.header('Range')}`);
    });

    test('a slow client is not cut off while its bytes keep coming', async ({ client, repository }) => {
      const location = client.resolve(await openUpload(client, repository));
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Length: 12\r\n\r\n`);
      for (let i = 0; i < 12; i += 1) {
        connection.write('x');
        await delay(250);
      }
      expect(await connection.status()).toBe(202);
      connection.destroy();
    });

    test('a body that nobody asked for does not end up in the next answer', async ({ client, repository }) => {
      const body = 'GET /v2/smuggled/tags/list HTTP/1.1\r\nHost: x\r\n\r\n';
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\n${client.headerLines}Content-Length: ${body.length}\r\n\r\n${body}GET /v2/${repository}/tags/list HTTP/1.1\r\nHost: x\r\n${client.headerLines}Connection: close\r\n\r\n`);
      await connection.until(({ closed }) => closed);
      expect(connection.received).not.toContain('smuggled');
      expect([[200], [200, 404]]).toContainEqual(connection.statuses());
      connection.destroy();
    });

    test('a refused push whose body is not read to the end does not poison the connection', async ({ client, repository }) => {
      const answer = await client.putManifest(repository, 'v1', freshBytes(5 * 1024 * 1024), mediaTypes.image);
      expect(answer.status).toBe(413);
      // nginx reads on for a while and then closes, without a word in its answer: who finds a connection closed asks again (RFC 9112 section 9.3.1).
      const throughNginx = answer.header('Server')?.startsWith('nginx') === true;
      const ping = () => client.ping().catch((error: unknown) => (throughNginx ? client.ping() : Promise.reject(error)));
      const answers = await Promise.all(Array.from({ length: 10 }, ping));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    });

    test('requests sent behind one another on one connection are answered in order', async ({ client, repository }) => {
      const blob = blobFixture('pipelined');
      await pushBlob(client, repository, blob);
      const connection = await RawConnection.open(client.baseUrl);
      const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${client.headerLines}${more}\r\n`;
      connection.write(get(blobPath(repository, blob.digest)) + get('/v2/') + get(`/v2/${repository}/tags/list`) + get('/v2/nothing/here', 'Connection: close\r\n'));
      await connection.until(({ closed }) => closed);
      expect(connection.statuses()).toEqual([200, 200, 200, 404]);
      connection.destroy();
    });

    test('Connection: close is obeyed, as docker and podman ask for it', async ({ client }) => {
      const connection = await RawConnection.open(client.baseUrl);
      connection.write(`GET /v2/ HTTP/1.1\r\nHost: x\r\n${client.headerLines}Connection: close\r\n\r\n`);
      expect(await connection.until(({ closed }) => closed)).toBe(true);
      expect(connection.statuses()).toEqual([200]);
    });

    test('a client that goes away in the middle of a download harms nobody', async ({ client, repository }) => {
      const blob = blobFixture({ random: 8 * 1024 * 1024 });
      await pushBlob(client, repository, blob);
      for (let i = 0; i < 5; i += 1) {
        const connection = await RawConnection.open(client.baseUrl);
        connection.write(`GET ${blobPath(repository, blob.digest)} HTTP/1.1\r\nHost: x\r\n${client.headerLines}\r\n`);
        await connection.until(({ received }) => received.length > 0);
        connection.destroy();
      }
      expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
    });

    test('two hundred connections that say nothing do not keep others out', async ({ client }) => {
      const idle = await Promise.all(Array.from({ length: 200 }, () => RawConnection.open(client.baseUrl)));
      for (const connection of idle.slice(0, 100)) connection.write('GET /v2/ HTTP/1.1\r\nHost: ');
      const other = new RegistryClient(client.baseUrl, client.headers);
      expectStatus(await other.ping(), 200);
      other.close();
      for (const connection of idle) connection.destroy();
    });
  });
}
