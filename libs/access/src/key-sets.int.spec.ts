import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBinary } from '@waybill/testing';
import { CertificateFile, JwksFile } from './key-files.js';
import { JwksUrl } from './jwks-url.js';
import type { KeySet } from './key-set.js';
import { fingerprint, keysOfJwks, thumbprint } from './public-keys.js';
import { TestIssuer } from './testing/test-issuer.js';

const [one, two] = [new TestIssuer('one'), new TestIssuer('two', 'RS256')];
const jwks = (...issuers: readonly TestIssuer[]) => JSON.stringify({ keys: issuers.map(({ jwk }) => jwk) });

/** What a set told, and the wait for something to come true. */
class Told {
  readonly failures: string[] = [];
  readonly changes: (readonly string[])[] = [];
  readonly failed = (error: Error): void => void this.failures.push(error.message);
  readonly changed = (kids: readonly string[]): void => void this.changes.push(kids);
}

async function until(done: () => boolean, seconds = 20): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !done(); await sleep(10)) if (performance.now() > end) throw new Error('it did not come true in time');
}

const folder = mkdtempSync(join(tmpdir(), 'wb-keys-'));
const open: KeySet[] = [];
afterEach(() => Promise.all(open.splice(0).map((set) => set.stop())));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function started<S extends KeySet>(set: S): Promise<S> {
  open.push(set);
  await set.start();
  return set;
}

describe('keys in a file', () => {
  const path = join(folder, 'jwks.json');
  const file = (told: Told) => new JwksFile(path, told, 20);

  it('are replaced without a restart, and the old ones are gone', async () => {
    const told = new Told();
    writeFileSync(path, jwks(one));
    const set = await started(file(told));
    expect(set.find('one')?.alg).toBe('ES256');
    expect(set.only()?.kid).toBe('one');
    writeFileSync(path, jwks(one, two));
    await until(() => set.find('two') !== undefined);
    expect(set.only()).toBeUndefined();
    writeFileSync(path, jwks(two));
    await until(() => set.find('one') === undefined);
    expect(told.changes).toEqual([['one'], ['one', 'two'], ['two']]);
    expect(told.failures).toEqual([]);
  });

  it('behind a link that moves are replaced too', async () => {
    const [first, second, link] = ['a.json', 'b.json', 'link.json'].map((name) => join(folder, name));
    if (first === undefined || second === undefined || link === undefined) throw new Error('no names');
    writeFileSync(first, jwks(one));
    writeFileSync(second, jwks(two));
    symlinkSync(first, link);
    const set = await started(new JwksFile(link, new Told(), 20));
    unlinkSync(link);
    symlinkSync(second, link);
    await until(() => set.find('two') !== undefined);
  });

  it.each([
    ['is no JSON', 'nonsense', 'not JSON'],
    ['is no set', '{}', 'JWK Set'],
    ['is gone', undefined, 'ENOENT'],
    ['is empty', '{"keys":[]}', 'no key'],
    ['holds a private key', JSON.stringify({ keys: [{ ...one.jwk, d: 'AAAA' }] }), 'private key'],
    ['names two keys alike', JSON.stringify({ keys: [one.jwk, { ...two.jwk, kid: 'one' }] }), 'two different keys'],
    ['is huge', ' '.repeat(2 * 1024 * 1024), 'bytes'],
  ])('stay when the file %s, and it is said once why', async (_, text, reason) => {
    const told = new Told();
    writeFileSync(path, jwks(one));
    const set = await started(file(told));
    if (text === undefined) unlinkSync(path);
    else writeFileSync(path, text);
    await until(() => told.failures.length > 0);
    expect(told.failures[0]).toContain(reason);
    expect(told.failures[0]).toContain(path);
    expect(set.find('one')).toBeDefined();
    writeFileSync(path, jwks(two));
    await until(() => set.find('two') !== undefined);
    expect(told.failures).toHaveLength(1);
  });

  it('that cannot be read at the start keep the registry from starting, in words', async () => {
    await expect(new JwksFile(join(folder, 'nowhere'), new Told()).start()).rejects.toThrow(/the keys of .*nowhere cannot be used: ENOENT/);
  });
});

describe('a JWK Set', () => {
  it('gives the keys that signatures may be checked with, and no others', () => {
    const oct = { kty: 'oct', k: 'AAAA', kid: 'secret', alg: 'HS256' };
    const set = { keys: [one.jwk, oct, { ...two.jwk, use: 'enc' }, { ...two.jwk, kid: 'none', alg: 'none' }, { ...one.jwk, kid: 'mixed', alg: 'RS256' }, { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', kid: 'bad' }, { ...two.jwk, kid: 'ps', alg: 'PS384' }, { ...one.jwk, kid: undefined }, 7, null] };
    expect(keysOfJwks(JSON.stringify(set)).map(({ kid, alg }) => [kid, alg])).toEqual([['one', 'ES256'], ['ps', 'PS384'], [thumbprint(one.key.key), 'ES256']]);
  });
});

describe('certificates', () => {
  const openssl = findBinary('openssl');
  const make = (name: string, days: string): string => {
    const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
    execFileSync(openssl ?? '', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate, '-subj', `/CN=${name}`, '-days', days], { stdio: 'ignore' });
    return certificate;
  };

  (openssl === undefined ? it.skip : it)('give their keys under the names that token servers give them, and are replaced without a restart', async () => {
    const { readFileSync } = await import('node:fs');
    const { X509Certificate } = await import('node:crypto');
    const [first, second] = [readFileSync(make('first', '2'), 'utf8'), readFileSync(make('second', '2'), 'utf8')];
    const keyOf = (pem: string) => new X509Certificate(pem).publicKey;
    const path = join(folder, 'bundle.pem');
    writeFileSync(path, `a comment\n${first}\n`);
    const set = await started(new CertificateFile(path, new Told(), 20));
    expect(set.only()?.alg).toBe('ES256');
    expect(set.find(thumbprint(keyOf(first)))?.key.equals(keyOf(first))).toBe(true);
    expect(fingerprint(keyOf(first))).toMatch(/^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
    expect(set.find(fingerprint(keyOf(first)))?.key.equals(keyOf(first))).toBe(true);
    writeFileSync(path, first + second);
    await until(() => set.find(thumbprint(keyOf(second))) !== undefined);
    expect(set.only()).toBeUndefined();
  });
});

describe('keys at a URL', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  const asked: string[] = [];
  const url = (path = '/keys'): string => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}${path}` : '';
  };

  beforeEach(async () => {
    asked.length = 0;
    answer = (_, response) => response.end(jwks(one));
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      answer(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });
  const set = (told: Told, startMs = 0, everyMs = 20) => new JwksUrl({ failed: told.failed, changed: told.changed, url: url(), everyMs, startMs });

  it('are replaced without a restart, and a request for an unknown kid fetches nothing', async () => {
    const keys = await started(set(new Told(), 0, 60_000));
    for (let i = 0; i < 100; i++) keys.find(`unknown-${i}`);
    await sleep(50);
    expect(asked).toEqual(['/keys']);
    const quick = await started(set(new Told()));
    answer = (_, response) => response.end(jwks(two));
    await until(() => quick.find('two') !== undefined && quick.find('one') === undefined);
  });

  it.each<[string, (request: IncomingMessage, response: ServerResponse) => void, string]>([
    ['redirects, even to itself', (_, response) => response.writeHead(302, { Location: '/elsewhere' }).end(), 'redirects are not followed'],
    ['is broken', (_, response) => response.writeHead(500).end(), 'status 500'],
    ['sends a page', (_, response) => response.end('<html>'), 'not JSON'],
    ['sends without end', (_, response) => void setInterval(() => response.write('x'.repeat(65_536)), 1).unref(), 'bytes'],
    ['ends in the middle', (_, response) => { response.writeHead(200, { 'Content-Length': '1000' }); response.write('{"keys"'); setTimeout(() => response.destroy(), 20); }, 'cannot be used'],
    ['has no key left', (_, response) => response.end('{"keys":[]}'), 'no key'],
  ])('stay when the server %s, and it is said once', async (_, behave, reason) => {
    const told = new Told();
    const keys = await started(set(told));
    answer = behave;
    await until(() => told.failures.length > 0);
    expect(told.failures[0]).toContain(reason);
    expect(keys.find('one')).toBeDefined();
    expect(asked).not.toContain('/elsewhere');
    answer = (_request, response) => response.end(jwks(two));
    await until(() => keys.find('two') !== undefined);
    expect(told.failures).toHaveLength(1);
  });

  it('are waited for at the start, and given up in words', async () => {
    answer = (_, response) => response.writeHead(503).end();
    await expect(set(new Told(), 100).start()).rejects.toThrow(/keys of http:.* cannot be used: the answer has the status 503/);
    const told = new Told();
    setTimeout(() => (answer = (_, response) => response.end(jwks(one))), 300);
    expect((await started(set(told, 10_000))).find('one')).toBeDefined();
    expect(told.failures.length).toBeGreaterThan(0);
  });
});
