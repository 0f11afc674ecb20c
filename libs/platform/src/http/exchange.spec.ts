import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { once } from 'node:events';
import { Exchange } from './exchange.js';

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a client gets where a server does `act` with its request. */
async function exchanged(act: (exchange: Exchange) => void, method = 'GET', headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  const server = createServer((request, response) => act(new Exchange(request, response)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const read = (response: IncomingMessage): void => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body })).on('error', reject);
      };
      httpRequest({ port, host: '127.0.0.1', method, headers, agent: false }, read).on('error', reject).end();
    });
  } finally {
    server.close();
  }
}

/** The exchange as its handler sees it. */
async function seen(headers: OutgoingHttpHeaders): Promise<{ readonly requestId: string; readonly traceparent: string; readonly meta: unknown }> {
  const values = { requestId: '', traceparent: '', meta: '' };
  await exchanged((exchange) => {
    expect(exchange.requestId).toBe(exchange.requestId);
    Object.assign(values, { requestId: exchange.requestId, traceparent: exchange.traceparent, meta: exchange.eventMeta('a/b') });
    exchange.reply(204, []);
  }, 'GET', headers);
  return { ...values, meta: JSON.parse(values.meta) };
}

describe('an answer', () => {
  it('carries the version header and nosniff, and the exact length in bytes', async () => {
    const { status, headers, body } = await exchanged((exchange) => exchange.reply(200, ['Content-Type', 'text/plain'], 'grün'));
    expect({ status, body }).toEqual({ status: 200, body: 'grün' });
    expect(headers).toMatchObject({ 'docker-distribution-api-version': 'registry/2.0', 'x-content-type-options': 'nosniff', 'content-length': '5', 'content-type': 'text/plain' });
  });

  it('to HEAD has the length of the body and not the body', async () => {
    const { headers, body } = await exchanged((exchange) => exchange.reply(200, [], 'twelve bytes'), 'HEAD');
    expect({ length: headers['content-length'], body }).toEqual({ length: '12', body: '' });
  });

  it('to HEAD keeps the length that the handler gives without a body', async () => {
    const { headers } = await exchanged((exchange) => exchange.reply(200, ['Content-Length', '7340032']), 'HEAD');
    expect(headers['content-length']).toBe('7340032');
  });

  it.each([204, 304])('with status %i has no length', async (status) => {
    const { headers } = await exchanged((exchange) => exchange.reply(status, []));
    expect(headers['content-length']).toBeUndefined();
    expect(headers['transfer-encoding']).toBeUndefined();
  });

  it('without a body says so', async () => {
    const { headers } = await exchanged((exchange) => exchange.reply(202, ['Location', '/v2/x']));
    expect(headers).toMatchObject({ 'content-length': '0', location: '/v2/x' });
  });

  it('can be begun with its length and written by parts', async () => {
    const { headers, body } = await exchanged((exchange) => {
      const response = exchange.begin(206, ['Content-Range', 'bytes 0-5/9'], 6);
      response.write('abc');
      response.end('def');
      expect({ status: exchange.status, bytes: exchange.bytes }).toEqual({ status: 206, bytes: 6 });
    });
    expect(headers['content-length']).toBe('6');
    expect(body).toBe('abcdef');
  });
});

describe('the ids of a request', () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

  it('are the caller\'s where they are well-formed', async () => {
    expect(await seen({ 'x-request-id': 'req-1.2:3', traceparent: trace })).toMatchObject({ requestId: 'req-1.2:3', traceparent: trace });
  });

  it.each(['has space', 'x'.repeat(129), '"quoted"'])('are our own where the request id is %s', async (id) => {
    expect((await seen({ 'x-request-id': id })).requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`, 'nonsense', trace.toUpperCase()])(
    'are our own where the trace context is %s',
    async (given) => {
      const { traceparent } = await seen({ traceparent: given });
      expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(traceparent).not.toBe(given);
    },
  );

  it('differ between requests', async () => {
    const [one, two] = [await seen({}), await seen({})];
    expect(one.traceparent).not.toBe(two.traceparent);
    expect(one.requestId).not.toBe(two.requestId);
  });

  it('are in the meta of its events, with the user agent cut and without an address', async () => {
    const { meta } = await seen({ traceparent: trace, 'x-request-id': 'r1', 'user-agent': 'u'.repeat(1000), 'x-forwarded-for': '192.0.2.7' });
    expect(meta).toEqual({ repo_name: 'a/b', request_id: 'r1', actor_ref: null, auth_kind: 'none', traceparent: trace, client: { ua: 'u'.repeat(256), ip_ref: null } });
  });
});
