import { setTimeout as sleep } from 'node:timers/promises';
import { ServerPerTest, takeBodies } from './testing/http-fixture.js';

const UPLOAD = '/v2/a/blobs/uploads/0123456789abcdef';
const http = new ServerPerTest();

describe('a connection', () => {
  it('answers 1000 requests sent at once in their order', async () => {
    const client = await http.connected({
      handlers: {
        getManifest: async ({ reference }, exchange) => {
          if (Number(reference.slice(1)) % 7 === 0) await sleep(1);
          exchange.reply(200, [], `<${reference}>`);
        },
      },
    });
    client.socket.write(Array.from({ length: 1000 }, (_, i) => `GET /v2/a/manifests/t${i} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    expect(await client.until(({ received }) => received.endsWith('<t999>'), 20_000)).toBe(true);
    expect(client.received.match(/<t\d+>/g)).toEqual(Array.from({ length: 1000 }, (_, i) => `<t${i}>`));
  });

  it('begins no request of a pipeline before the answers ahead of it are sent, and reads no further meanwhile', async () => {
    let begun = 0;
    let release: () => void = () => undefined;
    const client = await http.connected({
      handlers: {
        ping: async (_, exchange) => {
          if (++begun === 1) await new Promise<void>((resolve) => (release = resolve));
          exchange.reply(200, [], `<${begun}>`);
        },
      },
    });
    client.socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100_000));
    await sleep(600);
    expect(begun).toBe(1);
    expect(http.served.received()).toBeLessThanOrEqual(64 * 1024 + http.handshakeBytes);
    release();
    // The head that the end of what was read cut has had its time, which is not the client's fault.
    expect(await client.until(({ received }) => received.includes('<5000>'), 10_000)).toBe(true);
    expect(client.received.match(/<\d+>/g)?.slice(0, 5000)).toEqual(Array.from({ length: 5000 }, (_, i) => `<${i + 1}>`));
    expect(http.served.clientErrors).toEqual([]);
  });

  it('reads on when the requests that waited are answered', async () => {
    let begun = 0;
    const client = await http.connected({ handlers: { ping: (_, exchange) => exchange.reply(200, [], `<${++begun}>`) } });
    client.socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20_000));
    expect(await client.until(({ received }) => received.endsWith('<20000>'), 10_000)).toBe(true);
    expect(client.received.match(/<\d+>/g)).toEqual(Array.from({ length: 20_000 }, (_, i) => `<${i + 1}>`));
  });

  it('keeps bodies and requests of a pipeline apart, however large', async () => {
    const client = await http.connected(takeBodies);
    const sizes = [3, 300_000, 0, 70_000, 1, 2_000_000];
    client.socket.write(sizes.map((size) => `PATCH ${UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n${'G'.repeat(size)}GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n`).join(''));
    expect(await client.until(({ received }) => received.match(/\{\}/g)?.length === sizes.length)).toBe(true);
    expect(client.received.match(/\r\n\r\n(\d+|\{\})/g)).toEqual(sizes.flatMap((size) => [`\r\n\r\n${size}`, '\r\n\r\n{}']));
  });

  it('whose client goes away begins none of the requests that waited', async () => {
    let begun = 0;
    let release: () => void = () => undefined;
    const client = await http.connected({ handlers: { ping: async (_, exchange) => { begun++; await new Promise<void>((resolve) => (release = resolve)); exchange.reply(200, [], 'late'); } } });
    client.socket.write('GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(100));
    await sleep(100);
    client.reset();
    release();
    await sleep(100);
    expect(begun).toBeLessThanOrEqual(2);
  });

  it('that breaks off in the middle of an answer gets nothing written into that answer', async () => {
    const client = await http.connected({
      handlers: {
        getBlob: (_, exchange) => void exchange.begin(200, [], 100).write('begun'),
      },
    });
    client.send([`GET /v2/a/blobs/sha256:${'a'.repeat(64)} HTTP/1.1`]);
    await client.until(({ received }) => received.endsWith('begun'));
    client.socket.write('no request at all\r\n\r\n');
    expect((await client.toTheEnd()).endsWith('begun')).toBe(true);
    expect(client.ended).toBe(true);
  });
});
