import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { OciError, manifestTooLarge } from '@waybill/oci';
import { withBody } from './read-body.js';
import { RawClient, serve } from './testing/http-fixture.js';
import type { ServedRegistry } from './testing/http-fixture.js';

const LIMIT = 100_000;
let served: ServedRegistry;
let outcomes: unknown[];

beforeEach(async () => {
  outcomes = [];
  served = await serve({
    handlers: {
      putManifest: async ({ reference }, exchange) => {
        try {
          if (reference === 'late') await new Promise((resolve) => exchange.request.on('error', () => undefined).once('close', resolve));
          await withBody(exchange.request, LIMIT, () => manifestTooLarge(LIMIT), async (body) => {
            outcomes.push(body.length);
            exchange.reply(201, [], body.toString());
          });
        } catch (error) {
          outcomes.push(error);
          throw error;
        }
      },
    },
  });
});
afterEach(() => served.close());


/** Bytes in use, rubbish apart. */
function memory(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Sends the parts with pauses, so that they arrive as several chunks. */
async function put(headers: readonly string[], parts: readonly string[], tag = 'v1'): Promise<RawClient> {
  const client = await RawClient.open(served.port);
  client.send([`PUT /v2/a/manifests/${tag} HTTP/1.1`, ...headers]);
  for (const part of parts) {
    client.socket.write(part);
    await sleep(20);
  }
  return client;
}

describe('a body', () => {
  it('is given whole and in order, however it is cut', async () => {
    const client = await put(['Content-Length: 9'], ['abc', 'def', 'ghi']);
    expect(await client.until(({ received }) => received.endsWith('\r\n\r\nabcdefghi'))).toBe(true);
    expect(outcomes).toEqual([9]);
  });

  it('may be empty, with a length or without', async () => {
    for (const headers of [['Content-Length: 0'], []]) {
      const client = await put(headers, []);
      expect(await client.until(({ received }) => received.includes(' 201 '), 1000)).toBe(true);
    }
    expect(outcomes).toEqual([0, 0]);
  });

  it('may have the very length of the limit', async () => {
    const client = await put([`Content-Length: ${LIMIT}`], ['x'.repeat(LIMIT)]);
    expect(await client.until(({ received }) => received.includes(' 201 '))).toBe(true);
  });

  it('that is announced too large is refused before a byte of it has come', async () => {
    const client = await put([`Content-Length: ${LIMIT + 1}`], []);
    expect(await client.until(({ received }) => received.includes('MANIFEST_INVALID'))).toBe(true);
    expect(client.received).toContain('HTTP/1.1 413 ');
  });

  it('that becomes too large without a length is refused at the limit', async () => {
    const chunk = `${(50_000).toString(16)}\r\n${'x'.repeat(50_000)}\r\n`;
    const client = await put(['Transfer-Encoding: chunked'], [chunk, chunk, chunk]);
    expect(await client.until(({ received }) => received.includes('MANIFEST_INVALID'))).toBe(true);
    expect(client.received).toContain('HTTP/1.1 413 ');
  });

  it.each(['v1', 'late'])('whose client goes away is an error, while it is read and before (%s)', async (tag) => {
    const client = await put(['Content-Length: 10'], ['abc'], tag);
    client.socket.destroy();
    await client.until(() => outcomes.length > 0);
    expect(outcomes).toEqual([expect.any(OciError)]);
    expect(outcomes).toEqual([expect.objectContaining({ code: 'SIZE_INVALID' })]);
  });

  it('of chunks of one byte takes little more memory than its bytes', async () => {
    const client = await put(['Transfer-Encoding: chunked'], []);
    const before = memory();
    client.socket.write('1\r\nx\r\n'.repeat(LIMIT - 1));
    await client.until(() => served.received() > 6 * (LIMIT - 1));
    expect(memory() - before).toBeLessThan(4 << 20);
    client.socket.write('1\r\ny\r\n0\r\n\r\n');
    expect(await client.until(({ received }) => received.endsWith('xy'))).toBe(true);
    expect(outcomes).toEqual([LIMIT]);
  });

  it('that is large is refused while too many of them are held open, an ordinary one is not, and all pass again afterwards', async () => {
    const most = 4 << 20;
    const held = await serve({ handlers: { putManifest: async (_, exchange) => {
      await withBody(exchange.request, most, () => manifestTooLarge(most), async (body) => exchange.reply(201, [], String(body.length)));
    } } });
    const push = async (size: number, sent: number): Promise<RawClient> => {
      const client = await RawClient.open(held.port);
      client.send(['PUT /v2/a/manifests/v1 HTTP/1.1', `Content-Length: ${size}`]);
      client.socket.write(Buffer.alloc(sent));
      return client;
    };
    const clients = await Promise.all(Array.from({ length: 80 }, () => push(most, most - 1)));
    expect(await clients[79]?.until(() => clients.some(({ received }) => received.includes('HTTP/1.1 503 ')), 30_000)).toBe(true);
    expect(await (await push(60_000, 60_000)).until(({ received }) => received.endsWith('60000'), 30_000)).toBe(true);
    for (const { socket } of clients) socket.destroy();
    await sleep(200);
    expect(await (await push(most, most)).until(({ received }) => received.endsWith(String(most)), 30_000)).toBe(true);
    await held.close();
  }, 120_000);

  it('that is large counts until the work on it has ended, though its client has gone', async () => {
    const most = 4 << 20;
    let finish = (): void => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    let working = 0;
    const busy = await serve({ handlers: { putManifest: async (_, exchange) => {
      await withBody(exchange.request, most, () => manifestTooLarge(most), async () => {
        working += 1;
        await finished;
        exchange.reply(201, [], 'done');
      });
    } } });
    const push = async (): Promise<RawClient> => {
      const client = await RawClient.open(busy.port);
      client.send(['PUT /v2/a/manifests/v1 HTTP/1.1', `Content-Length: ${most}`]);
      client.socket.write(Buffer.alloc(most));
      return client;
    };
    for (let refused = false; !refused; ) {
      const before = working;
      const client = await push();
      await client.until(({ received }) => working > before || received.includes('HTTP/1.1 503 '), 30_000);
      refused = client.received.includes('HTTP/1.1 503 ');
      client.socket.destroy();
      expect(working).toBeLessThanOrEqual(64);
    }
    expect(working).toBeGreaterThan(0);
    finish();
    await sleep(100);
    expect(await (await push()).until(({ received }) => received.endsWith('done'), 30_000)).toBe(true);
    await busy.close();
  }, 120_000);
});
