import { setTimeout as sleep } from 'node:timers/promises';
import { denied } from '@waybill/oci';
import { RawClient, ServerPerTest, takeBodies } from './testing/http-fixture.js';
import type { ServeOptions } from './testing/http-fixture.js';

const UPLOAD = '/v2/a/blobs/uploads/0123456789abcdef';
const API_VERSION = '\r\nDocker-Distribution-Api-Version: registry/2.0\r\nX-Content-Type-Options: nosniff\r\n';
const http = new ServerPerTest();

describe('a head', () => {
  it('that comes byte by byte is cut with 408 when its time is over', async () => {
    const client = await http.connected(takeBodies);
    const drip = setInterval(() => client.socket.write('X'), 20);
    client.socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\nA: ');
    const received = await client.toTheEnd();
    clearInterval(drip);
    expect(client.ended).toBe(true);
    expect(received).toContain(API_VERSION);
    expect(received).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\nConnection: close.*\{"errors":\[\{"code":"UNSUPPORTED","message":".*0\.4 s"\}\]\}$/s);
    expect(http.served.clientErrors).toEqual(['headers_timeout']);
  });

  it('that never begins ends without an answer', async () => {
    const client = await http.connected(takeBodies);
    expect(await client.toTheEnd()).toBe('');
    expect(client.ended).toBe(true);
  });

  it('that is too large is answered 431', async () => {
    const client = await http.connected(takeBodies);
    client.send(['GET /v2/ HTTP/1.1', `Authorization: ${'x'.repeat(17_000)}`]);
    const received = await client.toTheEnd();
    expect(received).toContain(API_VERSION);
    expect(received).toMatch(/^HTTP\/1\.1 431 .*\{"code":"UNSUPPORTED","message":"the request line and headers have more than 16384 bytes/s);
    expect(client.ended).toBe(true);
    expect(http.served.clientErrors).toEqual(['header_overflow']);
  });

  it('of 15 KiB passes', async () => {
    const client = await http.connected(takeBodies);
    client.send(['GET /v2/ HTTP/1.1', `Authorization: ${'x'.repeat(15_000)}`]);
    expect(await client.until(({ received }) => received.includes(' 200 '))).toBe(true);
  });

  it.each([
    ['both lengths', ['POST /v2/a/blobs/uploads/ HTTP/1.1', 'Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['both lengths the other way round', ['POST /v2/a/blobs/uploads/ HTTP/1.1', 'Transfer-Encoding: chunked', 'Content-Length: 5']],
    ['two lengths', ['POST /v2/a/blobs/uploads/ HTTP/1.1', 'Content-Length: 5', 'Content-Length: 6']],
    ['an unknown coding at the end', ['POST /v2/a/blobs/uploads/ HTTP/1.1', 'Transfer-Encoding: chunked, identity']],
    ['a space before the colon', ['GET /v2/ HTTP/1.1', 'Content-Length : 5']],
    ['no method', ['']],
  ])('with %s is answered 400', async (_, head) => {
    const client = await http.connected(takeBodies);
    client.send(head, '0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
    const received = await client.toTheEnd();
    expect(received).toContain(API_VERSION);
    expect(received).toMatch(/^HTTP\/1\.1 400 .*\{"errors":\[\{"code":"UNSUPPORTED"/s);
    expect(received.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(http.served.clientErrors).toEqual(['malformed']);
  });
});

describe('a target', () => {
  it.each([['/v2/', '{}'], ['/v2', '{}'], ['http://registry.test/v2/', '{}'], ['/v2?x=1', '{}'], ['/v3/', 'other'], ['/v2x', 'other'], ['/', 'other'], ['http://registry.test', 'other'], ['*', 'other']])(
    '%s is answered by %s',
    async (target, body) => {
      const client = await http.connected(takeBodies);
      client.send([`GET ${target} HTTP/1.1`, 'Connection: close']);
      expect(await client.toTheEnd()).toContain(body);
    },
  );
});

describe('a body', () => {
  it('that stops coming is cut', async () => {
    const client = await http.connected(takeBodies);
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 100'], 'only this');
    await client.toTheEnd();
    expect(client.ended).toBe(true);
    expect(http.served.clientErrors).toEqual(['body_idle']);
  });

  it('is not cut because this process stood still for longer than its patience', async () => {
    const client = await http.connected(takeBodies);
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 4'], 'bo');
    await sleep(120);
    // in a callback after which the timers come before what has arrived
    await new Promise<void>((resolve) => setImmediate(() => {
      client.socket.write('dy');
      for (const end = Date.now() + 900; Date.now() < end;);
      resolve();
    }));
    expect(await client.until(({ received }) => received.endsWith('\r\n\r\n4'))).toBe(true);
    expect(http.served.clientErrors).toEqual([]);
  });

  it('that comes slowly is never cut', async () => {
    const client = await http.connected(takeBodies);
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 30']);
    for (let i = 0; i < 30; i++) {
      client.socket.write('x');
      await sleep(100);
    }
    expect(await client.until(({ received }) => received.endsWith('\r\n\r\n30'))).toBe(true);
    expect(http.served.clientErrors).toEqual([]);
  });

  it('is not cut while it is the handler who is slow, before it reads, while it reads and after', async () => {
    const client = await http.connected({
      handlers: {
        appendUpload: async (_, exchange) => {
          await sleep(900);
          let length = 0;
          for await (const chunk of exchange.request) {
            if (length === 0) await sleep(900);
            length += Buffer.byteLength(chunk);
          }
          await sleep(900);
          exchange.reply(202, [], String(length));
        },
      },
    });
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 3000000'], 'x'.repeat(3_000_000));
    expect(await client.until(({ received }) => received.endsWith('\r\n\r\n3000000'))).toBe(true);
  });
});

describe('an answer', () => {
  const blob: ServeOptions = {
    handlers: {
      getBlob: (_, exchange) => {
        exchange.begin(200, [], 24 << 20).end(Buffer.alloc(24 << 20));
      },
    },
  };
  const GET = [`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`];

  it('that is not read is cut', async () => {
    const client = await http.connected(blob);
    client.socket.pause();
    client.send(GET);
    for (let i = 0; i < 100 && http.served.clientErrors.length === 0; i++) await sleep(50);
    expect(http.served.clientErrors).toEqual(['response_idle']);
  });

  it('that is read slowly out of one large write is never cut', async () => {
    const client = await http.connected({ ...blob, limits: { responseIdleMs: 1_500 } });
    let [read, pausedAt] = [0, 0];
    client.socket.on('data', (text) => {
      read += text.length;
      if (read - pausedAt < 64 * 1024) return;
      pausedAt = read;
      client.socket.pause();
    });
    client.send(GET);
    const slowly = setInterval(() => client.socket.resume(), 5);
    const began = Date.now();
    const whole = await client.until(() => read > 24 << 20, 25_000);
    clearInterval(slowly);
    expect(whole).toBe(true);
    expect(Date.now() - began).toBeGreaterThan(1_500);
    expect(http.served.clientErrors).toEqual([]);
  });
});

describe('an idle connection', () => {
  it('is closed after its time, and not counted as an error', async () => {
    const client = await http.connected({ ...takeBodies, limits: { keepAliveMs: 300 } });
    client.send(['GET /v2/ HTTP/1.1']);
    expect(await client.until(({ received }) => received.endsWith('{}'))).toBe(true);
    expect(client.ended).toBe(false);
    expect(await client.until(({ ended }) => ended)).toBe(true);
    expect(http.served.clientErrors).toEqual([]);
  });

  it('does not keep another one out for ever: beyond the limit connections are dropped and counted', async () => {
    const first = await http.connected({ ...takeBodies, limits: { maxConnections: 1 } });
    const second = await http.connectAgain();
    await second.toTheEnd();
    expect(second.ended).toBe(true);
    expect(http.served.clientErrors).toEqual(['connection_limit']);
    first.send(['GET /v2/ HTTP/1.1']);
    expect(await first.until(({ received }) => received.endsWith('{}'))).toBe(true);
  });
});

describe('Expect: 100-continue', () => {
  const head = [`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 4', 'Expect: 100-continue'];

  it('gets its 100 once the guard has let the request pass, and then its answer', async () => {
    const client = await http.connected(takeBodies);
    client.send(head);
    expect(await client.until(({ received }) => received === 'HTTP/1.1 100 Continue\r\n\r\n')).toBe(true);
    client.socket.write('body');
    expect(await client.until(({ received }) => received.endsWith('\r\n\r\n4'))).toBe(true);
  });

  it('gets the refusal of the guard and never a 100', async () => {
    const client = await http.connected({ ...takeBodies, guard: () => Promise.reject(denied('no')) });
    client.send(head);
    expect(await client.until(({ received }) => received.includes('"DENIED"'))).toBe(true);
    expect(client.received).toMatch(/^HTTP\/1\.1 403 .*Connection: close/s);
    await sleep(100);
    expect(client.received).not.toContain('100 Continue');
  });

  it('outside /v2/ gets its 100 too', async () => {
    const client = await http.connected(takeBodies);
    client.send(['POST /api HTTP/1.1', 'Content-Length: 4', 'Expect: 100-continue']);
    expect(await client.until(({ received }) => received.startsWith('HTTP/1.1 100 Continue'))).toBe(true);
  });
});

describe('a refused body', () => {
  const refuse: ServeOptions = { ...takeBodies, guard: () => { throw denied('no'); } };

  it('of 100 MB is read far enough that the client gets its answer', async () => {
    // client and server share this process, which stands still while it makes the body: that is no slow head
    await http.connected({ ...refuse, limits: { headersTimeoutMs: 10_000 } });
    const response = await fetch(`${http.served.url}${UPLOAD}`, { method: 'PATCH', body: Buffer.alloc(100 << 20), headers: { 'content-type': 'application/octet-stream' } });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('DENIED');
  });

  it('is read to its end for a client that does not look for the answer before', async () => {
    // made before there is a connection, whose head would be late if this process stood still meanwhile
    const body = Buffer.alloc(40 << 20);
    // time for the head and for bytes that do not move is another test's: both ends share a machine that may be busy
    const client = await http.connected({ ...refuse, limits: { headersTimeoutMs: 10_000, bodyIdleMs: 10_000 } });
    client.socket.pause();
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, `Content-Length: ${body.length}`]);
    await new Promise((resolve) => client.socket.write(body, resolve));
    client.socket.resume();
    expect(await client.toTheEnd(15_000)).toContain('"DENIED"');
    expect({ ended: client.ended, failure: client.failure }).toEqual({ ended: true, failure: undefined });
  });

  it('does not hold its connection longer than it is drained', async () => {
    const client = await http.connected({ ...refuse, limits: { bodyIdleMs: 60_000 } });
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 100000000']);
    const began = Date.now();
    const drip = setInterval(() => client.socket.write('x'.repeat(1000)), 20);
    await client.toTheEnd(15_000);
    clearInterval(drip);
    expect(client.ended).toBe(true);
    expect(client.received).toContain('HTTP/1.1 403 ');
    expect(Date.now() - began).toBeLessThan(12_000);
  });

  it('that is small is read, and its connection lives on', async () => {
    const client = await http.connected(refuse);
    client.send([`PATCH ${UPLOAD} HTTP/1.1`, 'Content-Length: 4'], 'body');
    expect(await client.until(({ received }) => received.includes('"DENIED"'))).toBe(true);
    client.send(['GET /other HTTP/1.1']);
    expect(await client.until(({ received }) => received.includes('other'))).toBe(true);
  });
});

describe('a refused request without a body', () => {
  it('keeps its connection', async () => {
    const client = await http.connected(takeBodies);
    client.send(['GET /v2/UPPER/tags/list HTTP/1.1']);
    expect(await client.until(({ received }) => received.includes('"NAME_INVALID"'))).toBe(true);
    client.send(['GET /other HTTP/1.1']);
    expect(await client.until(({ received }) => received.endsWith('other'))).toBe(true);
  });
});

describe('closing the server', () => {
  it('lets a running request finish, says that the connection ends, and takes no new one', async () => {
    const client = await http.connected({ handlers: { ping: async (_, exchange) => { await sleep(300); exchange.reply(200, [], 'done'); } }, limits: { drainMs: 5_000 } });
    client.send(['GET /v2/ HTTP/1.1']);
    await sleep(50);
    const closing = http.served.close();
    await expect(RawClient.open(http.served.port)).rejects.toThrow('ECONNREFUSED');
    const received = await client.toTheEnd();
    expect(received).toMatch(/^HTTP\/1\.1 200 .*Connection: close.*done$/s);
    expect(await closing).toBe(0);
  });

  it('lets an answer whose head is out be read to its end', async () => {
    const client = await http.connected({
      handlers: { getBlob: async (_, exchange) => { const response = exchange.begin(200, [], 8); response.write('1234'); await sleep(300); response.end('5678'); } },
      limits: { drainMs: 5_000 },
    });
    client.send([`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`]);
    await client.until(({ received }) => received.endsWith('1234'));
    const began = Date.now();
    expect(await http.served.close()).toBe(0);
    expect(Date.now() - began).toBeLessThan(1_500);
    expect((await client.toTheEnd()).endsWith('12345678')).toBe(true);
  });

  it('answers a request that follows on a running connection, and lets none follow that one', async () => {
    const client = await http.connected({
      handlers: {
        ...takeBodies.handlers,
        getBlob: async (_, exchange) => { const response = exchange.begin(200, [], 8); response.write('1234'); await sleep(300); response.end('5678'); },
      },
      limits: { drainMs: 5_000 },
    });
    client.send([`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`]);
    await client.until(({ received }) => received.endsWith('1234'));
    const closing = http.served.close();
    client.send(['GET /v2/ HTTP/1.1']);
    client.send(['GET /v2/ HTTP/1.1']);
    expect(await closing).toBe(0);
    expect(await client.toTheEnd()).toMatch(/12345678HTTP\/1\.1 200 [^{]*Connection: close[^{]*\{\}$/);
  });

  it('closes idle and unused connections at once', async () => {
    const unused = await http.connected({ ...takeBodies, limits: { drainMs: 5_000, headersTimeoutMs: 10_000 } });
    const idle = await http.connectAgain();
    idle.send(['GET /v2/ HTTP/1.1']);
    await idle.until(({ received }) => received.endsWith('{}'));
    const began = Date.now();
    expect(await http.served.close()).toBe(0);
    expect(Date.now() - began).toBeLessThan(1_000);
    expect(await unused.until(({ ended }) => ended)).toBe(true);
  });

  it('destroys what is not done in time and says how many', async () => {
    const client = await http.connected({ handlers: { ping: () => new Promise<void>(() => undefined) }, limits: { drainMs: 200 } });
    client.send(['GET /v2/ HTTP/1.1']);
    await sleep(50);
    expect(await http.served.close()).toBe(1);
    expect(await client.toTheEnd()).toBe('');
  });
});
