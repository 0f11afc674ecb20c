import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { OciError, parseRequest, RegistryError } from '@waybill/oci';
import { Exchange, NOBODY, TrustedProxies } from '@waybill/platform';
import type { Caller, Endpoint, Guard } from '@waybill/platform';
import { limitCallers, limitEndpoint, limitGuard } from './limits.js';

/** As the management API refuses. */
class Refused extends RegistryError {
  readonly code = 'unauthorized';
  readonly status = 401;
}

const OFF = { perSecond: 0, burst: 1 };
const ONE = { perSecond: 1, burst: 1 };
const REQUEST = parseRequest('GET', '/v2/a/manifests/latest');
const ALICE: Caller = { principal: 'p-alice', kind: 'user', actor: 'p-alice' };
const BOB: Caller = { principal: 'p-bob', kind: 'user', actor: 'p-bob' };

/** Lets everybody pass as the caller that the header names, or refuses it. */
const byHeader: Guard = (_request, exchange) => {
  const name = exchange.request.headers['x-caller'];
  if (name === 'wrong') throw new OciError('UNAUTHORIZED');
  exchange.caller = name === 'alice' || name === 'alice may not' ? ALICE : name === 'bob' ? BOB : NOBODY;
  if (name === 'alice may not') throw new OciError(exchange.request.headers['x-basic'] === undefined ? 'UNAUTHORIZED' : 'DENIED');
};
const later: Guard = async (request, exchange) => {
  await Promise.resolve();
  return byHeader(request, exchange);
};

describe.each([['at once', byHeader], ['later', later]])('limits of a guard that answers %s', (_name, guard) => {
  let send: (guarded: Guard, headers?: Record<string, string>) => Promise<unknown>;
  let close: () => void;

  beforeAll(async () => {
    let current: Guard = guard;
    const server = createServer((request, response) => {
      const exchange = new Exchange(request, response);
      Promise.resolve().then(() => current(REQUEST, exchange)).then(() => response.end('passed'), (error: unknown) => {
        if (!(error instanceof OciError)) throw error;
        response.writeHead(error.status, { ...error.headers }).end(error.code);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    send = async (guarded, headers = {}) => {
      current = guarded;
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers });
      const text = await answer.text();
      return answer.status === 429 ? `${text} ${answer.headers.get('retry-after')}` : text;
    };
    close = () => server.close();
  });
  afterAll(() => close());

  it('cost nothing where there are none', () => {
    expect(limitGuard(guard, { principal: OFF, address: OFF }, new TrustedProxies([]))).toBe(guard);
  });

  it('count callers who did not log in by their address', async () => {
    let now = 0;
    const limited = limitGuard(guard, { principal: OFF, address: ONE }, new TrustedProxies([]), () => now);
    expect(await send(limited)).toBe('passed');
    expect(await send(limited)).toBe('TOOMANYREQUESTS 1');
    now = 1000;
    expect(await send(limited)).toBe('passed');
  });

  it('take the address that a trusted proxy tells, and nobody else\'s word', async () => {
    const trusting = limitGuard(guard, { principal: OFF, address: ONE }, new TrustedProxies(['127.0.0.1']), () => 0);
    expect(await send(trusting, { 'X-Forwarded-For': '192.0.2.1' })).toBe('passed');
    expect(await send(trusting, { 'X-Forwarded-For': '192.0.2.2' })).toBe('passed');
    expect(await send(trusting, { 'X-Forwarded-For': '192.0.2.2' })).toBe('TOOMANYREQUESTS 1');
    const alone = limitGuard(guard, { principal: OFF, address: ONE }, new TrustedProxies([]), () => 0);
    expect(await send(alone, { 'X-Forwarded-For': '192.0.2.1' })).toBe('passed');
    expect(await send(alone, { 'X-Forwarded-For': '192.0.2.2' })).toBe('TOOMANYREQUESTS 1');
  });

  it('take a network of IPv6 for one address: whoever has one there has all of them', async () => {
    const trusting = limitGuard(guard, { principal: OFF, address: ONE }, new TrustedProxies(['127.0.0.1']), () => 0);
    expect(await send(trusting, { 'X-Forwarded-For': '2001:db8::1' })).toBe('passed');
    expect(await send(trusting, { 'X-Forwarded-For': '2001:db8:0:0:ffff::2' })).toBe('TOOMANYREQUESTS 1');
    expect(await send(trusting, { 'X-Forwarded-For': '2001:db8:0:1::1' })).toBe('passed');
  });

  it('count who logged in as itself, whatever its address did', async () => {
    const limited = limitGuard(guard, { principal: ONE, address: ONE }, new TrustedProxies([]), () => 0);
    expect(await send(limited)).toBe('passed');
    expect(await send(limited)).toBe('TOOMANYREQUESTS 1');
    expect(await send(limited, { 'X-Caller': 'alice' })).toBe('passed');
    expect(await send(limited, { 'X-Caller': 'alice' })).toBe('TOOMANYREQUESTS 1');
    expect(await send(limited, { 'X-Caller': 'bob' })).toBe('passed');
  });

  it('count who logged in as itself where it is refused, too', async () => {
    for (const [refusal, headers] of [['UNAUTHORIZED', {}], ['DENIED', { 'X-Basic': '1' }]] as const) {
      const limited = limitGuard(guard, { principal: ONE, address: ONE }, new TrustedProxies([]), () => 0);
      expect(await send(limited, { 'X-Caller': 'alice may not', ...headers })).toBe(refusal);
      expect(await send(limited, { 'X-Caller': 'alice may not', ...headers })).toBe('TOOMANYREQUESTS 1');
      expect(await send(limited, { 'X-Caller': 'alice' })).toBe('TOOMANYREQUESTS 1');
      expect(await send(limited)).toBe('passed');
    }
  });

  it('count attempts to log in that failed, and say no more of them than that there were too many', async () => {
    const limited = limitGuard(guard, { principal: OFF, address: { perSecond: 1, burst: 2 } }, new TrustedProxies([]), () => 0);
    expect(await send(limited, { 'X-Caller': 'wrong' })).toBe('UNAUTHORIZED');
    expect(await send(limited, { 'X-Caller': 'wrong' })).toBe('UNAUTHORIZED');
    expect(await send(limited, { 'X-Caller': 'wrong' })).toBe('TOOMANYREQUESTS 1');
    expect(await send(limited, { 'X-Caller': 'alice' })).toBe('passed');
  });
});

describe('limits of the token endpoint', () => {
  /** Answers with 401 where the header says so. */
  const endpoint: Endpoint = {
    kind: 'token', path: '/token',
    answer: ({ request }) => {
      if (request.headers.authorization === 'Basic wrong') throw new OciError('UNAUTHORIZED');
    },
  };
  const send = async (limited: Endpoint, method: string, authorization?: string): Promise<string> => {
    const request = new IncomingMessage(new Socket());
    request.method = method;
    if (authorization !== undefined) request.headers.authorization = authorization;
    try {
      await limited.answer(new Exchange(request, new ServerResponse(request)));
      return 'answered';
    } catch (error) {
      return error instanceof OciError ? error.code : String(error);
    }
  };
  const limited = (rate = ONE): Endpoint => limitEndpoint(endpoint, { principal: OFF, address: rate }, new TrustedProxies([]), () => 0);

  it('count who does not log in, and who fails to', async () => {
    const nobody = limited();
    expect([await send(nobody, 'GET'), await send(nobody, 'GET')]).toEqual(['answered', 'TOOMANYREQUESTS']);
    for (const nothing of ['Basic Og==', 'basic  Og', 'Basic Oj==']) {
      const empty = limited();
      expect([await send(empty, 'GET', nothing), await send(empty, 'GET', nothing), await send(empty, 'GET')]).toEqual(['answered', 'TOOMANYREQUESTS', 'TOOMANYREQUESTS']);
    }
    const guesser = limited();
    expect([await send(guesser, 'GET', 'Basic wrong'), await send(guesser, 'POST', 'Basic wrong'), await send(guesser, 'GET')]).toEqual(['UNAUTHORIZED', 'TOOMANYREQUESTS', 'TOOMANYREQUESTS']);
  });

  it('count who fails to log in at the management API, and leave the published keys alone', async () => {
    const refused = limitEndpoint({ ...endpoint, kind: 'management', answer: () => { throw new Refused('log in'); } }, { principal: OFF, address: ONE }, new TrustedProxies([]), () => 0);
    expect([await send(refused, 'GET'), await send(refused, 'GET', 'Basic right')]).toEqual(['Error: log in', 'TOOMANYREQUESTS']);
    const keys: Endpoint = { ...endpoint, kind: 'keys' };
    expect(limitEndpoint(keys, { principal: ONE, address: ONE }, new TrustedProxies([]))).toBe(keys);
  });

  it('of callers are each one\'s own', () => {
    let now = 0;
    const limit = limitCallers({ principal: ONE }, () => now);
    limit({ principal: 'alice' });
    limit({ principal: 'bob' });
    expect(() => limit({ principal: 'alice' })).toThrow(expect.objectContaining({ status: 429, headers: { 'Retry-After': '1' } }));
    now = 1000;
    limit({ principal: 'alice' });
    for (let i = 0; i < 5; i += 1) limitCallers({ principal: OFF })({ principal: 'alice' });
  });

  it('do not count who logs in, nor anybody where there are none', async () => {
    const one = limited();
    for (let i = 0; i < 5; i += 1) expect([await send(one, 'GET', 'Basic right'), await send(one, 'POST')]).toEqual(['answered', 'answered']);
    expect(limited(OFF)).toBe(endpoint);
  });
});
