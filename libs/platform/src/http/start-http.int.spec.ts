import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DynamicModule } from '@nestjs/common';
import { unsupported } from '@waybill/oci';
import type { HealthCheck } from './health.js';
import { openLogger } from './logging.js';
import { Metrics } from '../metrics/metrics.js';
import { startHttp } from './start-http.js';
import type { HttpOptions, RunningHttp } from './start-http.js';
import { RawClient } from './testing/http-fixture.js';

const LOCAL = { host: '127.0.0.1', port: 0 };
const ended: string[] = [];

/** A domain whose background work has to outlive the requests. */
class Background {
  onModuleDestroy(): void {
    ended.push('background');
  }
}

class Domain {}
const domain: DynamicModule = { module: Domain, providers: [Background] };

let running: RunningHttp | undefined;
beforeEach(() => (ended.length = 0));
afterEach(async () => {
  await running?.close();
  running = undefined;
});

async function start(options: Partial<HttpOptions> = {}): Promise<RunningHttp> {
  running = await startHttp({
    module: domain,
    handlers: { ping: (_, exchange) => exchange.reply(200, ['Content-Type', 'application/json'], '{}') },
    guard: () => undefined,
    address: LOCAL,
    logger: openLogger({ level: 'silent' }).logger,
    metrics: new Metrics(),
    checks: [],
    ...options,
  });
  return running;
}

const url = (address: { readonly host: string; readonly port: number } | undefined, path: string): string => `http://${address?.host}:${address?.port}${path}`;

/** Somebody else on a port. */
async function occupied(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('a started process', () => {
  it('answers /v2/ by its handlers and the rest by Nest', async () => {
    const { address } = await start();
    const ping = await fetch(url(address, '/v2/'));
    expect({ status: ping.status, body: await ping.text() }).toEqual({ status: 200, body: '{}' });
    expect((await fetch(url(address, '/nothing'))).status).toBe(404);
  });

  it('answers an endpoint outside /v2/ as it answers /v2/: its errors, its log and its metrics', async () => {
    const metrics = new Metrics();
    const { address } = await start({
      metrics,
      endpoints: [{ kind: 'token', path: '/token', answer: (exchange) => {
        if (exchange.request.method === 'GET') exchange.reply(200, ['Content-Type', 'application/json'], '{}');
        else throw unsupported('only GET', 405, { Allow: 'GET' });
      } }, { kind: 'keys', path: '/keys', answer: () => Promise.reject(new Error('secret')) }],
    });
    expect((await fetch(url(address, '/token?x'))).status).toBe(200);
    const refused = await fetch(url(address, '/token'), { method: 'POST', body: 'x' });
    expect([refused.status, refused.headers.get('allow'), await refused.json()]).toEqual([405, 'GET', { errors: [{ code: 'UNSUPPORTED', message: 'only GET' }] }]);
    const failed = await fetch(url(address, '/keys'));
    expect(failed.status).toBe(500);
    expect(await failed.text()).not.toContain('secret');
    const text = await metrics.scrape();
    for (const line of ['{kind="token",code="200"} 1', '{kind="token",code="405"} 1', '{kind="keys",code="500"} 1']) expect(text).toContain(`waybill_http_requests_total${line}`);
  });

  it('is alive and ready on both addresses', async () => {
    const { address, metricsAddress } = await start({ metricsAddress: LOCAL, checks: [{ name: 'database', check: () => Promise.resolve() }] });
    for (const at of [address, metricsAddress]) {
      const [alive, ready] = [await fetch(url(at, '/healthz')), await fetch(url(at, '/readyz'))];
      expect([alive.status, await alive.json()]).toEqual([200, { status: 'ok' }]);
      expect([ready.status, await ready.json()]).toEqual([200, { status: 'ready', checks: { database: 'ok' } }]);
    }
  });

  it('stays alive and is not ready while a dependency is away, and names it', async () => {
    const check: HealthCheck = { name: 'database', check: () => Promise.reject(new Error('refused')) };
    const { address, metricsAddress } = await start({ metricsAddress: LOCAL, checks: [check] });
    for (const at of [address, metricsAddress]) {
      expect((await fetch(url(at, '/healthz'))).status).toBe(200);
      const ready = await fetch(url(at, '/readyz'));
      expect([ready.status, await ready.json()]).toEqual([503, { status: 'failing', checks: { database: 'failing' } }]);
    }
  });

  it('counts what it answers, and shows that on the address of the metrics only', async () => {
    const { address, metricsAddress } = await start({ metricsAddress: LOCAL });
    await (await fetch(url(address, '/v2/'))).text();
    const text = await (await fetch(url(metricsAddress, '/metrics'))).text();
    expect(text).toContain('waybill_http_requests_total{kind="ping",code="200"} 1\n');
    expect(text).toContain('waybill_http_open_connections 1\n');
    expect(text).toContain('waybill_http_open_requests 0\n');
    expect(text).toMatch(/waybill_http_bytes_sent_total [1-9]\d\d\n/);
    expect((await fetch(url(address, '/metrics'))).status).toBe(404);
    expect((await fetch(url(metricsAddress, '/v2/'))).status).toBe(404);
    expect((await fetch(url(metricsAddress, '/metrics'), { method: 'POST' })).status).toBe(405);
  });
});

describe('a request that is none', () => {
  it('gets one answer, in the form of the specification, which no reset overtakes', async () => {
    const { address } = await start();
    const client = await RawClient.open(address.port);
    client.socket.write(`no request at all\r\n\r\n${'x'.repeat(4 << 20)}`);
    const received = await client.toTheEnd();
    expect(received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^{]*\{"errors":\[\{"code":"UNSUPPORTED","message":"[^"]*"\}\]\}$/);
    expect({ ended: client.ended, failure: client.failure }).toEqual({ ended: true, failure: undefined });
    client.socket.destroy();
  });
});

describe('a process that cannot start', () => {
  it('says which address is in use and leaves nothing running', async () => {
    const other = await occupied();
    const { port } = { port: portOf(other) };
    await expect(start({ address: { host: '127.0.0.1', port } })).rejects.toThrow(`127.0.0.1:${port} is in use by another process: stop that one, or give http.address another port`);
    await expect(start({ metricsAddress: { host: '127.0.0.1', port } })).rejects.toThrow('metrics.address');
    expect(ended).toEqual(['background', 'background']);
    other.close();
  });

  it('says that two settings name the same address', async () => {
    const address = { host: '127.0.0.1', port: 5999 };
    for (const host of ['127.0.0.1', '0.0.0.0']) {
      await expect(start({ address, metricsAddress: { host, port: 5999 } })).rejects.toThrow(`http.address (127.0.0.1:5999) and metrics.address (${host}:5999) are the same: give one of them another port`);
    }
    await start({ address: LOCAL, metricsAddress: { ...LOCAL } });
  });

  it('says that an address is not one of this machine', async () => {
    await expect(start({ address: { host: '203.0.113.7', port: 5000 } })).rejects.toThrow('203.0.113.7:5000 is not an address of this machine');
  });

  it('rejects with what its module throws', async () => {
    class Broken {
      onModuleInit(): void {
        throw new Error('no schema');
      }
    }
    await expect(start({ module: { module: Domain, providers: [Broken] } })).rejects.toThrow('no schema');
  });
});

describe('a process that stops', () => {
  it('finishes its requests before its background work ends, and is not ready meanwhile', async () => {
    const { address, metricsAddress, close } = await start({
      metricsAddress: LOCAL,
      handlers: {
        ping: async (_, exchange) => {
          await sleep(300);
          ended.push('request');
          exchange.reply(200, [], 'done');
        },
      },
    });
    const client = await RawClient.open(address.port);
    client.send(['GET /v2/ HTTP/1.1']);
    await sleep(50);
    const closing = close();
    const ready = await fetch(url(metricsAddress, '/readyz'));
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'stopping', checks: {} }]);
    await closing;
    expect(await client.toTheEnd()).toMatch(/Connection: close.*done$/s);
    expect(ended).toEqual(['request', 'background']);
    await expect(fetch(url(metricsAddress, '/healthz'))).rejects.toThrow('fetch failed');
    await expect(RawClient.open(address.port)).rejects.toThrow('ECONNREFUSED');
  });

  it('may be told so more than once', async () => {
    const { close } = await start();
    await Promise.all([close(), close()]);
    await close();
    expect(ended).toEqual(['background']);
  });
});
