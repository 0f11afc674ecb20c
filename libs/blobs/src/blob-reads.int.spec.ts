import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseStorageKey } from '@waybill/blob-storage';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { parseDigest } from '@waybill/oci';
import { FrontController, Metrics, openLogger, startHttp } from '@waybill/platform';
import type { Handlers, RunningHttp } from '@waybill/platform';
import type { BlobLink } from './blob-links.js';
import { BlobReads } from './blob-reads.js';

const SIZE = 3 << 20;
const bytes = Buffer.alloc(SIZE, 'x');
const link: BlobLink = {
  digest: parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`),
  size: SIZE,
  key: parseStorageKey('01234567-89ab-7def-8123-456789abcdef'),
};
const get = `GET /v2/a/blobs/${link.digest} HTTP/1.1\r\nHost: x\r\n\r\n`;

let root: string;
let handlers: Partial<Handlers>;
let sockets: Socket[];
let outcomes: unknown[];
let faults: unknown[];
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'blob-reads-'));
  const storage = await FilesystemBlobStorage.open({ root });
  const writer = storage.create(link.key);
  await writer.write(bytes);
  await writer.commit();
  await storage.persist(link.key);
  const reads = new BlobReads(storage, { cacheBytes: 0, verify: true });
  handlers = {
    getBlob: async (_, exchange) => {
      try {
        const response = exchange.begin(200, [], SIZE);
        await reads.send(link, { start: 0, end: SIZE - 1 }, response, () => response);
        response.end();
        outcomes.push('sent');
      } catch (error) {
        outcomes.push(error);
        throw error;
      }
    },
  };
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  sockets = [];
  outcomes = [];
  faults = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const close of closers.splice(0)) await close();
});

/** Descriptors of this process on the object. */
function open(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(root);
    } catch {
      return false;
    }
  }).length;
}

async function until(done: () => boolean): Promise<boolean> {
  for (let i = 0; i < 500 && !done(); i++) await sleep(10);
  return done();
}

async function connected(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined).pause();
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

async function registry(): Promise<RunningHttp> {
  const running = await startHttp({
    module: { module: class Empty {} },
    handlers,
    guard: () => undefined,
    address: { host: '127.0.0.1', port: 0 },
    logger: openLogger({ level: 'silent' }).logger,
    metrics: new Metrics(),
    checks: [],
    limits: { drainMs: 200 },
  });
  closers.push(() => running.close());
  return running;
}

/** node's own way with a pipeline: every request is begun at once. */
async function bare(): Promise<number> {
  const controller = new FrontController({ handlers, guard: () => undefined, observe: () => undefined, report: (error) => faults.push(error) });
  const server = createServer((request, response) => controller.handle(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('500 GETs of a large blob on a connection that is not read', () => {
  it('hold one descriptor and one blob’s memory, and nothing once it is closed', async () => {
    const { address } = await registry();
    const socket = await connected(address.port);
    const before = process.memoryUsage.rss();
    socket.write(get.repeat(500));
    let most = 0;
    for (let i = 0; i < 50; i++) {
      await sleep(20);
      most = Math.max(most, open());
    }
    expect(most).toBe(1);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 << 20);
    socket.destroy();
    expect(await until(() => open() === 0)).toBe(true);
    // the kernel's buffers took the first ones
    expect(outcomes.length).toBeLessThan(20);
  });

  it('do not keep a stopping server longer than it drains', async () => {
    const { address, close } = await registry();
    (await connected(address.port)).write(get.repeat(500));
    expect(await until(() => open() === 1)).toBe(true);
    const began = Date.now();
    await close();
    expect(Date.now() - began).toBeLessThan(2_000);
    expect(await until(() => open() === 0)).toBe(true);
  });
});

describe('a read', () => {
  it('of a response that never got the connection ends with it', async () => {
    const socket = await connected(await bare());
    socket.write(get.repeat(20));
    expect(await until(() => open() === 20)).toBe(true);
    socket.destroy();
    expect(await until(() => open() === 0)).toBe(true);
    expect(outcomes).toHaveLength(20);
  });

  it.each(['destroy', 'resetAndDestroy'] as const)('whose client goes away in the middle (%s) ends, and is no fault of ours', async (leave) => {
    const port = await bare();
    for (let i = 0; i < 50; i++) {
      const socket = await connected(port);
      socket.write(get);
      if (i % 2 === 0) socket.once('data', () => socket[leave]()).resume();
      else await sleep(i % 10).then(() => socket[leave]());
    }
    expect(await until(() => open() === 0)).toBe(true);
    expect(faults).toEqual([]);
  });
});
