import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Exchange } from '@waybill/platform';
import { sendLines } from './json-lines.js';

const LINE = 'x'.repeat(10_000);

/** Lines that count themselves, and know whether somebody told them to end. */
class Source {
  given = 0;
  ended = false;

  constructor(private readonly count: number, private readonly failsAt = Infinity) {}

  async *lines(): AsyncGenerator<string> {
    try {
      for (; this.given < this.count; this.given += 1) {
        if (this.given === this.failsAt) throw new Error('the database went away');
        yield LINE;
        if (this.given % 50 === 0) await delay(0);
      }
    } finally {
      this.ended = true;
    }
  }
}

let server: Server;
let source: Source;
let outcome: Promise<void>;

beforeAll(async () => {
  server = createServer((request, response) => {
    const exchange = new Exchange(request, response);
    outcome = sendLines(exchange, ['Cache-Control', 'no-store'], source.lines());
    outcome.catch((error: unknown) => {
      if (!response.headersSent) exchange.reply(503, [], String(error));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function port(): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
const ask = (): Promise<Response> => fetch(`http://127.0.0.1:${port()}/`);

describe('an answer in lines', () => {
  it.each([0, 1, 500])('has all %d of them, without a length that nobody knew', async (count) => {
    source = new Source(count);
    const response = await ask();
    expect([response.status, response.headers.get('content-type'), response.headers.get('content-length'), response.headers.get('cache-control')]).toEqual([200, 'application/jsonl', null, 'no-store']);
    expect((await response.text()).split('\n').length - 1).toBe(count);
    await outcome;
  });

  it('is an error where its source fails before the first', async () => {
    source = new Source(10, 0);
    expect((await ask()).status).toBe(503);
    await expect(outcome).rejects.toThrow('went away');
  });

  it('is cut where its source fails later, so that no client takes it for whole', async () => {
    source = new Source(500, 300);
    const response = await ask();
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow('terminated');
    await expect(outcome).rejects.toThrow('went away');
  });

  it('is read from its source no faster than its client reads, and ends it when the client goes', async () => {
    source = new Source(100_000);
    // nobody listens to its data, so it does not read
    const client = connect(port(), '127.0.0.1');
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    while (source.given === 0) await delay(10);
    let before = -1;
    // what the sockets of both sides hold, and no more
    while (before !== source.given) {
      before = source.given;
      await delay(300);
    }
    expect(source.given).toBeLessThan(5_000);
    expect(source.ended).toBe(false);
    client.destroy();
    await expect(outcome).rejects.toThrow('Premature close');
    expect(source.ended).toBe(true);
  });
});
