import dns from 'node:dns';
import { jest } from '@jest/globals';
import { Client } from 'minio';
import { DependencyUnavailable } from '@waybill/oci';
import { S3Proxy, type Fault, type S3Call, type S3Server } from '@waybill/testing';
import type { BlobStorage, StorageKey } from '../blob-storage.js';
import { CheckedBlobStorage } from '../checked-blob-storage.js';
import { TruncatedObject } from '../errors.js';
import { newStorageKey } from '../storage-key.js';
import { describeBlobStorage, type BlobStorageUnderTest } from '../testing/blob-storage.contract.js';
import { s3Servers, type S3ServerKind } from '../testing/s3-servers.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import { ensureBucket } from './bucket.js';
import { S3BlobStorage } from './s3-blob-storage.js';
import type { S3Options } from './s3-options.js';

const MiB = 1024 * 1024;
const PART = 5 * MiB;
const bucket = 'blobs';

function optionsFor(server: S3Server, endpoint: string): S3Options {
  return { endpoint, region: 'us-east-1', bucket, prefix: 'a/', accessKey: server.accessKey, secretKey: server.secretKey, partSize: PART };
}

/** Names of objects and of unfinished uploads, asked of the server by a client of its own. */
async function everything(server: S3Server): Promise<string[]> {
  const { hostname, port } = new URL(server.endpoint);
  const client = new Client({ endPoint: hostname, port: Number(port), useSSL: false, region: 'us-east-1', accessKey: server.accessKey, secretKey: server.secretKey });
  const names: string[] = [];
  for await (const object of client.listObjectsV2(bucket, '', true)) names.push(String(object.name));
  for await (const started of client.listIncompleteUploads(bucket, '', true)) names.push(`unfinished ${started.key}`);
  return names;
}

async function underTest(kind: S3ServerKind, wrap: (storage: BlobStorage) => BlobStorage): Promise<BlobStorageUnderTest> {
  const server = await kind.start();
  const options = optionsFor(server, server.endpoint);
  await ensureBucket(options);
  const storage = wrap(await S3BlobStorage.open(options));
  return {
    storage,
    openAnother: async () => wrap(await S3BlobStorage.open(options)),
    list: () => everything(server),
    close: async () => {
      await storage.close();
      await server.stop();
    },
  };
}

const kinds = s3Servers();
const supports = { sharing: true, refusesUsedKeys: false, presign: true, checks: false };
const sizes = [PART, PART + 1, 2 * PART, 6 * PART + 7];
for (const kind of kinds) {
  describeBlobStorage({ name: `S3 on ${kind.name}`, supports, sizes, create: () => underTest(kind, storage => storage) });
  describeBlobStorage({ name: `S3 on ${kind.name}, checked`, supports: { ...supports, checks: true }, sizes, create: () => underTest(kind, storage => new CheckedBlobStorage(storage)) });
  describe(`S3 calls on ${kind.name}`, () => {
    describeCalls(kind);
  });
}
if (kinds.length === 0) it.skip('needs minio or versitygw', () => undefined);

function describeCalls(kind: S3ServerKind): void {
  let server: S3Server;
  let proxy: S3Proxy;
  let options: S3Options;
  let storage: BlobStorage;
  /** For calls that get no answer. The other one waits as long as a busy machine may take, since a retry would be counted. */
  let impatient: BlobStorage;
  let keys: StorageKey[] = [];
  const newKey = (): StorageKey => {
    const key = newStorageKey();
    keys.push(key);
    return key;
  };

  beforeAll(async () => {
    server = await kind.start();
    proxy = await S3Proxy.start(server.endpoint);
    options = optionsFor(server, proxy.endpoint);
    await ensureBucket(options);
    await ensureBucket(options);
    storage = new CheckedBlobStorage(await S3BlobStorage.open(options));
    impatient = new CheckedBlobStorage(await S3BlobStorage.open({ ...options, timeoutMs: 1500 }));
  });
  beforeEach(() => proxy.reset());
  afterEach(async () => {
    for (const key of keys) await storage.delete(key);
    keys = [];
    expect(await everything(server)).toEqual([]);
  });
  afterAll(async () => {
    await storage.close();
    await impatient.close();
    await proxy.stop();
    await server.stop();
  });

  it.each<[number, number | undefined, S3Call[]]>([
    [0, undefined, ['PUT']], [1, 1, ['PUT']], [PART, undefined, ['PUT']], [PART, PART, ['PUT']],
    [PART + 1, undefined, ['START', 'PART', 'PART', 'COMPLETE']], [3 * PART, 3 * PART, ['START', 'PART', 'PART', 'PART', 'COMPLETE']],
  ])('an upload of %i bytes (known: %s), its persist, read, stat and delete make exactly the calls %j, GET, HEAD, DELETE', async (size, known, calls) => {
    const [key, bytes] = [newKey(), bytesOf(size)];
    await upload(storage, key, bytes, 300_000, known);
    await storage.persist(key);
    expect(proxy.calls).toEqual(calls);
    proxy.reset();
    await readAll(storage, key, size > 0 ? { start: 0, end: size - 1 } : undefined);
    expect(proxy.calls).toEqual(['GET']);
    await storage.stat(key);
    await storage.presign(key, 60);
    await storage.delete(key, 'committed');
    expect(proxy.calls).toEqual(['GET', 'HEAD', 'DELETE']);
    proxy.reset();
    await storage.delete(key);
    expect(proxy.calls).toEqual(['UPLOADS', 'DELETE']);
  });

  it('a check asks for the bucket once in a while', async () => {
    await storage.check();
    await storage.check();
    expect(proxy.calls).toEqual(['BUCKET']);
  });

  it('three parts are on their way at a time, never more', async () => {
    const key = newKey();
    proxy.inject('PART', 'late', 6);
    await upload(storage, key, bytesOf(6 * PART), MiB);
    expect(proxy.mostAtOnce).toBe(3);
  });

  it('parts grow with what was sent, where nobody announced a size, and make one object', async () => {
    const growing = await S3BlobStorage.open({ ...options, partStep: 2, largestPart: 20 * MiB });
    const [key, bytes] = [newKey(), bytesOf(2 * 5 * MiB + 2 * 10 * MiB + 20 * MiB + 7)];
    await upload(growing, key, bytes, MiB);
    expect(proxy.calls).toEqual(['START', 'PART', 'PART', 'PART', 'PART', 'PART', 'PART', 'COMPLETE']);
    expect((await readAll(growing, key)).equals(bytes)).toBe(true);
    await growing.close();
  });

  it.each<[number, S3Call, Fault, S3Call[]]>([
    [1000, 'PUT', 'reset', ['PUT', 'HEAD']],
    [1000, 'PUT', 'fail', ['PUT', 'HEAD', 'PUT']],
    [1000, 'PUT', 'busy', ['PUT', 'HEAD', 'PUT']],
    [1000, 'PUT', 'silent', ['PUT', 'HEAD', 'PUT']],
    [1000, 'PUT', 'lost', ['PUT', 'HEAD']],
    [PART + 1, 'COMPLETE', 'reset', ['START', 'PART', 'PART', 'COMPLETE', 'HEAD']],
    [PART + 1, 'COMPLETE', 'fail', ['START', 'PART', 'PART', 'COMPLETE', 'HEAD', 'COMPLETE']],
    [PART + 1, 'PART', 'reset', ['START', 'PART', 'PART', 'PART', 'COMPLETE']],
    [PART + 1, 'PART', 'fail', ['START', 'PART', 'PART', 'PART', 'COMPLETE']],
    [PART + 1, 'COMPLETE', 'lost', ['START', 'PART', 'PART', 'COMPLETE', 'HEAD']],
    [PART + 1, 'START', 'fail', ['START', 'START', 'PART', 'PART', 'COMPLETE']],
  ])('an upload of %i bytes survives a %s that ends in %s, and makes exactly the calls %j', async (size, call, fault, calls) => {
    const [key, bytes] = [newKey(), bytesOf(size)];
    proxy.inject(call, fault);
    await upload(fault === 'silent' || fault === 'lost' ? impatient : storage, key, bytes, MiB);
    expect(proxy.calls).toEqual(calls);
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
  });

  it.each<[number, S3Call]>([[1000, 'PUT'], [2 * PART, 'PART'], [2 * PART, 'START'], [PART + 1, 'COMPLETE']])('an upload of %i bytes whose %s fails for good is told as unavailable and leaves nothing behind', async (size, call) => {
    const key = newKey();
    proxy.inject(call, 'fail', 20);
    await expect(upload(storage, key, bytesOf(size), MiB)).rejects.toBeInstanceOf(DependencyUnavailable);
    expect(await everything(server)).toEqual([]);
    expect(proxy.calls.filter(made => made === call).length).toBeLessThanOrEqual(8);
  });

  it.each(['fail', 'busy', 'silent', 'lost', 'reset'] as const)('reads, stats and deletes survive a call that ends in %s', async fault => {
    const [key, bytes] = [newKey(), bytesOf(1000)];
    const used = fault === 'silent' || fault === 'lost' ? impatient : storage;
    await upload(storage, key, bytes, MiB);
    proxy.inject('GET', fault);
    expect((await readAll(used, key)).equals(bytes)).toBe(true);
    proxy.inject('HEAD', fault);
    expect(await used.stat(key)).toBe(1000);
    proxy.inject('DELETE', fault);
    await used.delete(key, 'committed');
    expect(await everything(server)).toEqual([]);
  });

  it('answers of a failing server do not use up connections', async () => {
    const key = newKey();
    await upload(storage, key, bytesOf(1000), MiB);
    const before = await proxy.connections();
    for (let i = 0; i < 10; i++) {
      proxy.inject('GET', 'fail');
      await readAll(storage, key);
    }
    expect(await proxy.connections()).toBeLessThanOrEqual(before + 1);
  });

  it('a body that breaks off is taken up again where it did', async () => {
    const [key, bytes] = [newKey(), bytesOf(2 * MiB)];
    await upload(storage, key, bytes, MiB);
    proxy.reset();
    proxy.inject('GET', 'truncate', 3);
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
    proxy.inject('GET', 'truncate');
    expect((await readAll(storage, key, { start: 5, end: 2 * MiB - 7 })).equals(bytes.subarray(5, 2 * MiB - 6))).toBe(true);
    expect(proxy.calls).toEqual(['GET', 'GET', 'GET', 'GET', 'GET', 'GET']);
  });

  it('a body that breaks off again and again is told as truncated, never as the end', async () => {
    const key = newKey();
    await upload(storage, key, bytesOf(2 * MiB), MiB);
    proxy.reset();
    proxy.inject('GET', 'truncate', Infinity);
    await expect(readAll(storage, key)).rejects.toBeInstanceOf(TruncatedObject);
    expect(proxy.calls).toEqual(['GET', 'GET', 'GET', 'GET']);
    await expect(readAll(storage, key, { start: 5, end: 2 * MiB - 1 })).rejects.toBeInstanceOf(TruncatedObject);
  });

  it('a server that is gone is told as unavailable', async () => {
    const gone = new CheckedBlobStorage(await S3BlobStorage.open({ ...options, endpoint: 'http://127.0.0.1:9', attempts: 2 }));
    await expect(gone.stat(newStorageKey())).rejects.toBeInstanceOf(DependencyUnavailable);
    await expect(gone.check()).rejects.toBeInstanceOf(DependencyUnavailable);
    await expect(upload(gone, newKey(), bytesOf(10), 10)).rejects.toBeInstanceOf(DependencyUnavailable);
    await expect(upload(gone, newKey(), bytesOf(PART + 1), MiB)).rejects.toBeInstanceOf(DependencyUnavailable);
    await gone.close();
  });

  it('an unsigned body is accepted', async () => {
    const unsigned = await S3BlobStorage.open({ ...options, unsignedPayload: true });
    for (const size of [1000, PART + 1]) {
      const [key, bytes] = [newKey(), bytesOf(size)];
      await upload(unsigned, key, bytes, MiB);
      expect((await readAll(unsigned, key)).equals(bytes)).toBe(true);
      await unsigned.delete(key);
    }
    expect(proxy.headers[0]?.['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD');
    await unsigned.close();
  });

  if (kind.full) describeFullServer(() => ({ server, proxy, options }));
  else process.stderr.write(`S3 on ${kind.name}: encryption at rest and virtual style are not supported by this server as it is started here; they are tested on MinIO\n`);
}

function describeFullServer(at: () => { server: S3Server; proxy: S3Proxy; options: S3Options }): void {
  const roundTrip = async (storage: BlobStorage, size: number): Promise<void> => {
    const [key, bytes] = [newStorageKey(), bytesOf(size)];
    await upload(storage, key, bytes, MiB);
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
    expect(await storage.stat(key)).toBe(size);
    await storage.delete(key);
  };

  it.each([1000, PART + 1])('an object of %i bytes is encrypted at rest where that is asked for', async size => {
    const storage = await S3BlobStorage.open({ ...at().options, encryption: { algorithm: 'AES256' } });
    await roundTrip(storage, size);
    expect(at().proxy.headers[0]?.['x-amz-server-side-encryption']).toBe('AES256');
    await storage.close();
  });

  it.each([1000, PART + 1])('an object of %i bytes goes and comes in virtual style', async size => {
    const { server, options } = at();
    // The name of the bucket is a part of the host's, and no name server knows that host.
    const lookup = jest.spyOn(dns, 'lookup').mockImplementation((...call: unknown[]) => {
      const done = call.at(-1);
      if (typeof done === 'function') done(null, [{ address: '127.0.0.1', family: 4 }]);
      return {};
    });
    try {
      const storage = await S3BlobStorage.open({ ...options, style: 'virtual', endpoint: `http://s3.test:${new URL(server.endpoint).port}` });
      await roundTrip(storage, size);
      await storage.check();
      expect(lookup.mock.calls[0]?.[0]).toBe(`${bucket}.s3.test`);
      await storage.close();
    } finally {
      lookup.mockRestore();
    }
  });
}
