import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseRequest } from '@waybill/oci';
import { Exchange } from './exchange.js';
import { errorFields, logAccess, openLogger } from './logging.js';
import type { LogLevel, Logger } from './logging.js';

/** The lines that a log holds after it was closed. */
async function logged(level: LogLevel, write: (logger: Logger) => void | Promise<void>): Promise<unknown[]> {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-log-'));
  try {
    const path = join(folder, 'log');
    const log = openLogger({ level, destination: path, base: { role: 'test' } });
    await write(log.logger);
    await log.close();
    if (level === 'silent') return [];
    return readFileSync(path, 'utf8').split('\n').filter((line) => line !== '').map((line): unknown => JSON.parse(line));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function accessLine(path: string, headers: Record<string, string>): Promise<unknown[]> {
  return logged('info', async (logger) => {
    const server = createServer((request, response) => {
      const exchange = new Exchange(request, response);
      exchange.reply(200, [], 'body');
      logAccess(logger, exchange, parseRequest('GET', request.url ?? ''), 1.23456, '203.0.113.9');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    await (await fetch(`http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}${path}`, { headers })).text();
    server.close();
  });
}

describe('the access log', () => {
  it('has one line per request with what identifies it', async () => {
    const [line] = await accessLine('/v2/a/b/manifests/v1?token=hidden', { 'x-request-id': 'r1', traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'user-agent': 'probe/1' });
    expect(line).toMatchObject({
      level: 'info', role: 'test', msg: 'request', method: 'GET', kind: 'getManifest', repository: 'a/b', status: 200, ms: 1.235, bytes: 4, client: '203.0.113.9',
      requestId: 'r1', traceId: '4bf92f3577b34da6a3ce929d0e0e4736', ua: 'probe/1',
    });
  });

  it('holds neither credentials nor the query', async () => {
    const lines = await accessLine('/v2/a/b/manifests/v1?token=hidden', { authorization: 'Bearer hidden', cookie: 'hidden' });
    expect(JSON.stringify(lines)).not.toContain('hidden');
  });

  it('cannot be given a second line or a long one by a user agent', async () => {
    const lines = await accessLine('/v2/', { 'user-agent': `x"}{"level":"error"${'u'.repeat(5000)}` });
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines).length).toBeLessThan(1000);
  });
});

describe('the log', () => {
  it('writes nothing while it is silent', async () => {
    expect(await logged('silent', (logger) => logger.error('x'))).toEqual([]);
    expect(openLogger({ level: 'silent' }).logger.isLevelEnabled('fatal')).toBe(false);
  });

  it('gives an error its stack and its causes', async () => {
    const [line] = await logged('error', (logger) => logger.error({ err: new Error('outer', { cause: new TypeError('inner') }) }, 'failed'));
    expect(line).toMatchObject({ level: 'error', msg: 'failed', err: { type: 'Error', message: 'outer', stack: expect.stringContaining('logging.spec'), cause: { type: 'TypeError', message: 'inner' } } });
  });

  it('loses no line that was written before it is closed', async () => {
    const lines = await logged('info', (logger) => {
      for (let i = 0; i < 5000; i++) logger.info({ i }, 'x'.repeat(100));
    });
    expect(lines).toHaveLength(5000);
  });

  it('tells of an error only its text, not what a driver hung onto it', () => {
    const error = Object.assign(new Error('m'.repeat(10_000)), { code: 'E1', config: { password: 'hunter2' } });
    const fields = errorFields(error);
    expect(JSON.stringify(fields)).not.toContain('hunter2');
    expect(fields).toMatchObject({ code: 'E1', message: 'm'.repeat(2048) });
  });

  it('ends a chain of causes that has no end', () => {
    const error = new Error('ring');
    error.cause = error;
    expect(JSON.stringify(errorFields(error)).length).toBeLessThan(100_000);
  });
});
