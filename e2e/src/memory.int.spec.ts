import { readFile } from 'node:fs/promises';
import { blobFixture, buildContent, freePort, isRecord, locationOf, openUpload, pushBlob, pushContent, RegistryClient, RegistryProcess } from '@waybill/testing';

/** Uploads and images until what is bounded by a count is full (10,000 ended uploads, 4,096 keys of durable files) and the functions are compiled. */
const WARM_UP = { uploads: 10_000, images: 400 };
const MEASURED = 2400;
/** Bytes an image may leave behind: up to 450 are the noise of tables that double and slabs of buffers that come and go, 1,000 are a leak that is seen. */
const KEPT_PER_IMAGE = 700;
/** A layer, and the bytes that the process may grow by while it comes: 20 MB measured, 70 where V8 is left alone. */
const LARGE = 256 * 1024 * 1024;
const LARGE_TAKES = 45 * 1024 * 1024;

let registry: RegistryProcess;
let client: RegistryClient;
let debuggerUrl: string;

beforeAll(async () => {
  debuggerUrl = `http://127.0.0.1:${await freePort()}`;
  registry = await RegistryProcess.start({
    settings: {
      NODE_OPTIONS: `--inspect=${new URL(debuggerUrl).host}`,
      WAYBILL_LOG_LEVEL: 'silent',
      // what these keep is bounded by bytes, and they are not full in the time of a test
      WAYBILL_CACHE_MANIFEST_BYTES: '0',
      WAYBILL_CACHE_BLOB_BYTES: '0',
    },
  });
  // one for the whole test: the connections of another would be held too
  client = new RegistryClient(registry.baseUrl);
});
afterAll(async () => {
  client.close();
  await registry.stop();
});

/** Bytes that are in use after a full collection: the heap's and those of buffers outside it. */
async function bytesInUse(): Promise<number> {
  const targets: unknown = await (await fetch(`${debuggerUrl}/json/list`)).json();
  const target: unknown = Array.isArray(targets) ? targets[0] : undefined;
  if (!isRecord(target)) throw new Error(`The debugger lists no target: ${JSON.stringify(targets)}`);
  const socket = new WebSocket(String(target['webSocketDebuggerUrl']));
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve);
    socket.addEventListener('error', reject);
  });
  const call = (id: number, method: string): Promise<unknown> =>
    new Promise((resolve) => {
      socket.addEventListener('message', ({ data }) => {
        const answer: unknown = JSON.parse(String(data));
        if (isRecord(answer) && answer['id'] === id) resolve(answer['result']);
      });
      socket.send(JSON.stringify({ id, method }));
    });
  await call(1, 'HeapProfiler.collectGarbage');
  const usage = await call(2, 'Runtime.getHeapUsage');
  socket.close();
  if (!isRecord(usage)) throw new Error(`The debugger does not tell the use of the heap: ${JSON.stringify(usage)}`);
  return Number(usage['usedSize']) + Number(usage['backingStorageSize']);
}

/** The most memory that the process ever had in use, of `apps/registry` alone. */
async function highestMemory(): Promise<number> {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(await readFile(`/proc/${registry.pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

let pushed = 0;

/** An image like no other: a config and a layer, the layer by PATCH; then it is pulled. */
async function pushAndPull(): Promise<void> {
  const [repository, tag] = [`memory/${pushed % 20}`, `t${pushed}`];
  const content = buildContent({ blobs: { config: { random: 200 }, layer: { random: 1000 } }, manifests: { image: { kind: 'image', config: 'config', layers: ['layer'] } } });
  pushed += 1;
  const layer = content.blob('layer');
  const patched = await client.appendUpload(await openUpload(client, repository), layer.bytes);
  await client.completeUpload(locationOf(patched), layer.digest);
  await pushContent(client, repository, content, { [tag]: 'image' });
  await client.getManifest(repository, tag);
  await client.getBlob(repository, content.blob('config').digest);
}

/** `count` times, eight at once. */
async function times(count: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

it('moves a large layer through little memory: its chunks are given back as they are written', async () => {
  // first, because nothing has made the process large yet; less than a collection's worth warms up what an upload needs
  await pushBlob(client, 'memory/large', blobFixture({ random: 1024 * 1024 }));
  const before = await highestMemory();
  await pushBlob(client, 'memory/large', blobFixture({ random: LARGE }));
  expect((await highestMemory()) - before).toBeLessThan(LARGE_TAKES);
});

it('keeps nothing of the images that were pushed and pulled', async () => {
  const blob = blobFixture({ random: 10 });
  await times(WARM_UP.uploads, () => pushBlob(client, 'memory/warm', blob));
  await times(WARM_UP.images, pushAndPull);
  const before = await bytesInUse();
  await times(MEASURED, pushAndPull);
  const kept = ((await bytesInUse()) - before) / MEASURED;
  expect(kept).toBeLessThan(KEPT_PER_IMAGE);
}, 120_000);
