import { setTimeout as delay } from 'node:timers/promises';
import { DependencyUnavailable } from '@waybill/oci';
import { FaultProxy, requireBinaries, startMinio, type S3Server } from '@waybill/testing';
import { CheckedBlobStorage } from '../checked-blob-storage.js';
import type { BlobStorage } from '../blob-storage.js';
import { newStorageKey } from '../storage-key.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import { ensureBucket } from './bucket.js';
import { S3BlobStorage } from './s3-blob-storage.js';

const MiB = 1024 * 1024;
/** The deadline of a call; what follows is measured against it. */
const timeoutMs = 1_000;
const binaries = requireBinaries('minio');

describe('S3 behind a bad network', () => {
  if (binaries === undefined) {
    it.skip('needs minio', () => undefined);
    return;
  }
  let server: S3Server;
  let proxy: FaultProxy;
  let storage: BlobStorage;
  beforeAll(async () => {
    server = await startMinio(binaries.minio);
    proxy = await FaultProxy.start(Number(new URL(server.endpoint).port));
    const { accessKey, secretKey } = server;
    const options = { endpoint: `http://127.0.0.1:${proxy.port}`, region: 'us-east-1', bucket: 'blobs', accessKey, secretKey, timeoutMs };
    await ensureBucket(options);
    storage = new CheckedBlobStorage(await S3BlobStorage.open(options));
  });
  afterEach(() => proxy.set({}));
  afterAll(async () => {
    await storage.close();
    await proxy.stop();
    await server.stop();
  });
  const rejection = async (work: Promise<unknown>): Promise<{ readonly error: unknown; readonly milliseconds: number }> => {
    const began = performance.now();
    const error = await work.then(() => undefined, (reason: unknown) => reason);
    return { error, milliseconds: performance.now() - began };
  };

  it('never cuts a transfer that moves, in either direction, however long it takes', async () => {
    const [key, bytes] = [newStorageKey(), bytesOf(MiB)];
    proxy.set({ bytesPerSecond: 350_000 });
    const began = performance.now();
    await upload(storage, key, bytes, MiB);
    expect(performance.now() - began).toBeGreaterThan(2 * timeoutMs);
    const half = performance.now();
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
    expect(performance.now() - half).toBeGreaterThan(2 * timeoutMs);
  });

  it('works with answers that begin late', async () => {
    proxy.set({ latency: 350 });
    const [key, bytes] = [newStorageKey(), bytesOf(1000)];
    await upload(storage, key, bytes, 1000);
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
    await storage.delete(key, 'committed');
    expect(await storage.stat(key)).toBeUndefined();
  });

  it('waits for a reader that takes his time, and asks for nothing again', async () => {
    const [key, bytes] = [newStorageKey(), bytesOf(8 * MiB)];
    await upload(storage, key, bytes, MiB);
    let came = 0;
    const reading = storage.read(key, undefined, async (chunk) => {
      if (came === 0) await delay(2.5 * timeoutMs);
      came += chunk.length;
    });
    await delay(0.5 * timeoutMs);
    // a second GET would find no server
    proxy.refuse(true);
    await reading.finally(() => proxy.refuse(false));
    expect(came).toBe(8 * MiB);
  });

  it('gets a long read through connections that break again and again', async () => {
    const [key, bytes] = [newStorageKey(), bytesOf(30 * MiB)];
    await upload(storage, key, bytes, MiB);
    proxy.reset();
    // a cut throws away what the reader has not taken yet, and a megabyte has to come for the next one to be borne
    proxy.set({ cutAfter: 5 * MiB });
    await delay(50);
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
  });

  it('tells an S3 that hangs as unavailable after two deadlines, then at once, and uses it again by itself', async () => {
    proxy.blackhole();
    const one = await rejection(storage.stat(newStorageKey()));
    expect(one.error).toBeInstanceOf(DependencyUnavailable);
    expect(one.milliseconds).toBeLessThan(2 * timeoutMs + 900);
    await Promise.all([1, 2, 3, 4].map(() => rejection(storage.stat(newStorageKey()))));
    const refused = await Promise.all([1, 2, 3, 4].map(() => rejection(upload(storage, newStorageKey(), bytesOf(10), 10))));
    expect(refused.every(({ error }) => error instanceof DependencyUnavailable)).toBe(true);
    expect(refused.filter(({ milliseconds }) => milliseconds < 100)).toHaveLength(3);
    await expect(storage.check()).rejects.toBeInstanceOf(DependencyUnavailable);
    proxy.heal();
    const healed = performance.now();
    while ((await rejection(storage.check())).error !== undefined) await delay(50);
    expect(performance.now() - healed).toBeLessThan(2 * timeoutMs);
    expect(await storage.stat(newStorageKey())).toBeUndefined();
  });
});
