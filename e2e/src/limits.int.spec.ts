import { jest } from '@jest/globals';
import { blobFixture, blobPath, buildContent, freshBytes, openUpload, pushBlob, pushContent, RawConnection, RegistryClient, RegistryProcess } from '@waybill/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { expectError, expectStatus } from './protocol/expectations.js';

jest.setTimeout(60_000);

const settings = {
  WAYBILL_HTTP_BODY_IDLE_TIMEOUT: '2s',
  WAYBILL_HTTP_HEADERS_TIMEOUT: '1s',
  WAYBILL_REGISTRY_MANIFEST_SIZE_LIMIT: '64 KiB',
  WAYBILL_PAGES_TAGS_DEFAULT: '3',
  WAYBILL_PAGES_TAGS_MAX: '5',
  WAYBILL_PAGES_REFERRERS_DEFAULT: '2',
};
const app = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });

/** U9, section 7 point 13, and what a shutdown leaves whole; with limits short enough to wait for. */
describe('limits', () => {
  let registry: RegistryProcess | undefined;
  let opened: RegistryClient | undefined;
  const client = (): RegistryClient => {
    if (opened === undefined) throw new Error('The registry did not start.');
    return opened;
  };
  const patch = (location: string, length: number): string => `PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

  beforeAll(async () => {
    registry = await RegistryProcess.start({ settings });
    opened = new RegistryClient(registry.baseUrl);
  });
  afterAll(async () => {
    opened?.close();
    await registry?.stop();
  });

  it('an upload of which no byte arrives for the idle limit is cut, and its session can go on', async () => {
    const location = client().resolve(await openUpload(client(), 'limits/idle'));
    const connection = await RawConnection.open(client().baseUrl);
    connection.write(patch(location, 1000));
    connection.write(freshBytes(10));
    expect(await connection.until(({ closed }) => closed, 15_000)).toBe(true);
    expectStatus(await client().uploadStatus(location), 204);
    expectStatus(await client().appendUpload(location, 'more'), 202);
  });

  it('an upload that takes several times as long is not cut while it moves', async () => {
    const location = client().resolve(await openUpload(client(), 'limits/slow'));
    const connection = await RawConnection.open(client().baseUrl);
    connection.write(patch(location, 12));
    for (let i = 0; i < 12; i += 1) {
      connection.write('x');
      await delay(600);
    }
    expect(await connection.status()).toBe(202);
    connection.destroy();
  });

  it('headers that trickle in are cut off, also one at a time', async () => {
    const connection = await RawConnection.open(client().baseUrl);
    connection.write('GET /v2/ HTTP/1.1\r\n');
    for (let i = 0; i < 60 && !connection.closed; i += 1) {
      connection.write(`X-${i}: x\r\n`);
      await delay(200);
    }
    expect(connection.closed).toBe(true);
    expect(connection.statuses().filter((status) => status < 400)).toEqual([]);
  });

  it('a manifest over the configured limit is 413', async () => {
    await pushBlob(client(), 'limits/manifest', app.blob('config'));
    const big = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [], annotations: { a: 'x'.repeat(64 * 1024) } } } }).manifest('app');
    expectError(await client().putManifest('limits/manifest', 'v1', big.bytes, big.mediaType), 413, 'MANIFEST_INVALID');
  });

  it('pages have the configured length, with a Link, whatever n asks for', async () => {
    await pushContent(client(), 'limits/pages', app, Object.fromEntries(['a', 'b', 'c', 'd', 'e', 'f'].map((tag) => [tag, 'app' as const])));
    const page = await client().listTags('limits/pages');
    expect([page.json(), page.header('Link')]).toEqual([{ name: 'limits/pages', tags: ['a', 'b', 'c'] }, expect.stringMatching(/last=c.*rel="next"/)]);
    const clamped = await client().listTags('limits/pages', '?n=100');
    expect([clamped.json(), clamped.header('Link')]).toEqual([{ name: 'limits/pages', tags: ['a', 'b', 'c', 'd', 'e'] }, expect.stringMatching(/last=e.*rel="next"/)]);
  });

  it('SIGTERM lets a running upload and a running download end, and refuses new connections', async () => {
    const own = await RegistryProcess.start();
    const inside = new RegistryClient(own.baseUrl);
    const blob = blobFixture({ random: 32 * 1024 * 1024 });
    await pushBlob(inside, 'limits/stop', blob);
    const location = inside.resolve(await openUpload(inside, 'limits/stop'));
    const [up, down] = await Promise.all([RawConnection.open(own.baseUrl), RawConnection.open(own.baseUrl)]);
    up.write(patch(location, 1000));
    up.write(freshBytes(500));
    down.write(`GET ${blobPath('limits/stop', blob.digest)} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await down.until(({ received }) => received.length > 1000);
    down.socket.pause();
    await delay(200);
    const stopped = own.stop();
    await delay(300);
    await expect(RawConnection.open(own.baseUrl)).rejects.toThrow('ECONNREFUSED');
    up.write(freshBytes(500));
    down.socket.resume();
    expect(await up.status()).toBe(202);
    expect(await down.until(({ received }) => received.length >= blob.size, 10_000)).toBe(true);
    inside.close();
    up.destroy();
    down.destroy();
    await stopped;
  });
});
