import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseStorageKey } from '@waybill/blob-storage';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { MemoryBlobStorage } from '@waybill/blob-storage/memory';
import { testDatabase } from '@waybill/testing/postgres';
import { startBlobService } from './testing/blob-service.js';
import type { BlobService } from './testing/blob-service.js';

describe('uploads of a process that is alone on its database', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  let storage: MemoryBlobStorage;
  let service: BlobService;
  /** The same registry, started again: it knows nothing but what stands in the database, the storage and the URLs. */
  let again: BlobService;

  beforeAll(async () => {
    db = await testDatabase();
    storage = new MemoryBlobStorage();
    service = await startBlobService(db.database, storage, { alone: true });
    again = await startBlobService(db.database, storage, { alone: true });
  });
  afterAll(async () => {
    await service.close();
    await again.close();
    await db.close();
  });
  afterEach(() => {
    expect(service.faults.splice(0)).toEqual([]);
    expect(again.faults.splice(0)).toEqual([]);
  });

  const digestOf = (bytes: Buffer, algorithm = 'sha256') => `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  const send = (to: BlobService, method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) =>
    fetch(to.url + path, { method, headers, ...(body ? { body: new Uint8Array(body) } : {}) });
  const start = async () => (await send(service, 'POST', '/v2/a/b/blobs/uploads/')).headers.get('location') ?? '';
  const patch = async (location: string, bytes: Buffer, to = service) => {
    const response = await send(to, 'PATCH', location, bytes);
    expect(response.status).toBe(202);
    expect(response.headers.get('range')).toMatch(/^0-\d+$/);
    return response.headers.get('location') ?? '';
  };
  const put = async (to: BlobService, location: string, digest: string) => (await send(to, 'PUT', `${location}?digest=${digest}`)).status;
  const read = async (digest: string) => Buffer.from(await (await send(service, 'GET', `/v2/a/b/blobs/${digest}`)).arrayBuffer());
  const rows = async () => (await db.database.sql('SELECT 1 FROM reg.upload_session')).length;
  const count = async (digest: string) =>
    (await db.database.sql<{ n: string }>(`SELECT count(*) AS n FROM es.event WHERE data ->> 'digest' = $1`, [digest]))[0]?.n;

  it('take no row for a small blob, and give its object to it', async () => {
    const before = await rows();
    const bytes = randomBytes(5000);
    const location = await patch(await start(), bytes);
    expect(await put(service, location, digestOf(bytes))).toBe(201);
    expect(await read(digestOf(bytes))).toEqual(bytes);
    const whole = randomBytes(40);
    expect((await send(service, 'POST', `/v2/a/b/blobs/uploads/?digest=${digestOf(whole)}`, whole)).status).toBe(201);
    expect(await rows()).toBe(before);
    const [intent] = await db.database.sql(`SELECT 1 FROM reg.object o JOIN reg.blob b ON b.storage_key = o.storage_key WHERE b.digest IN ($1, $2)`, [digestOf(bytes), digestOf(whole)]);
    expect(intent).toBeUndefined();
  });

  it('survive the process with what they were told to hold', async () => {
    const bytes = randomBytes(3000);
    const location = await patch(await start(), bytes);
    expect((await send(again, 'GET', location)).headers.get('range')).toBe('0-2999');
    expect(await put(again, location, digestOf(bytes))).toBe(201);
    expect(await read(digestOf(bytes))).toEqual(bytes);
  });

  it('go on after the process was started again, chunk by chunk', async () => {
    const bytes = randomBytes(200_000);
    const first = await patch(await start(), bytes.subarray(0, 1000));
    const second = await send(again, 'PATCH', first, bytes.subarray(1000, 150_000), { 'Content-Range': '1000-149999' });
    expect([second.status, second.headers.get('range')]).toEqual([202, '0-149999']);
    const done = await send(again, 'PUT', `${second.headers.get('location')}?digest=${digestOf(bytes)}`, bytes.subarray(150_000));
    expect(done.status).toBe(201);
    expect(await read(digestOf(bytes))).toEqual(bytes);
  });

  it('never trust bytes that a restart may have lost: they are read again', async () => {
    const bytes = randomBytes(500);
    const location = await patch(await start(), bytes);
    const key = [...storage.list()].at(-1) ?? '';
    const damaged = Buffer.from(bytes);
    damaged[0] = (damaged[0] ?? 0) ^ 1;
    await storage.delete(parseStorageKey(key));
    const writer = storage.create(parseStorageKey(key));
    await writer.write(damaged);
    await writer.commit();
    expect(await put(again, location, digestOf(bytes))).toBe(400);
    expect((await send(service, 'HEAD', `/v2/a/b/blobs/${digestOf(bytes)}`)).status).toBe(404);
    expect((await send(again, 'GET', location)).status).toBe(404);
  });

  it('take any number of chunks, by the first URL as by the latest', async () => {
    const parts = [randomBytes(10), randomBytes(70_000), randomBytes(20)];
    const location = await start();
    for (const part of parts) await patch(location, part);
    const bytes = Buffer.concat(parts);
    expect((await send(service, 'GET', location)).headers.get('range')).toBe(`0-${bytes.length - 1}`);
    expect(await put(service, location, digestOf(bytes))).toBe(201);
    expect(await read(digestOf(bytes))).toEqual(bytes);
  });

  it('have one winner of several writers, whose bytes count once', async () => {
    for (let round = 0; round < 20; round++) {
      const location = await start();
      const answers = await Promise.all(Array.from({ length: 4 }, () => send(service, 'PATCH', location, randomBytes(10), { 'Content-Range': '0-9' })));
      expect(answers.map(({ status }) => status).sort()).toEqual([202, 416, 416, 416]);
      expect((await send(service, 'GET', location)).headers.get('range')).toBe('0-9');
    }
  });

  it('keep a slow writer and a small one apart', async () => {
    const location = await start();
    const slow = httpRequest(service.url + location, { method: 'PATCH', headers: { 'Transfer-Encoding': 'chunked' } });
    slow.write(randomBytes(10));
    await sleep(100);
    expect((await send(service, 'PATCH', location, randomBytes(5))).status).toBe(416);
    const answered = new Promise<number | undefined>((resolve) => slow.on('response', (response) => resolve(response.resume().statusCode)));
    slow.end();
    expect(await answered).toBe(202);
  });

  it('refuse a chunk that does not follow, with the true range, and go on', async () => {
    const bytes = randomBytes(300);
    const location = await start();
    const early = await send(service, 'PATCH', location, bytes.subarray(100), { 'Content-Range': '100-299' });
    expect([early.status, early.headers.get('range')]).toEqual([416, '0-0']);
    const next = await patch(location, bytes.subarray(0, 100));
    const twice = await send(service, 'PATCH', next, bytes.subarray(0, 100), { 'Content-Range': '0-99' });
    expect([twice.status, twice.headers.get('range')]).toEqual([416, '0-99']);
    expect((await send(service, 'PUT', `${next}?digest=${digestOf(bytes)}`, bytes.subarray(100), { 'Content-Range': '100-299' })).status).toBe(201);
  });

  it('answer a repeated PUT like the first while the blob is there, also after a restart, and append one event', async () => {
    const bytes = randomBytes(60);
    const location = await patch(await start(), bytes);
    const answers = [];
    for (const to of [service, service, again]) answers.push(await put(to, location, digestOf(bytes)));
    expect(answers).toEqual([201, 201, 201]);
    expect(await count(digestOf(bytes))).toBe('1');
    expect(await put(service, location, digestOf(randomBytes(1)))).toBe(404);
    for (const method of ['GET', 'PATCH', 'DELETE']) expect((await send(service, method, location, method === 'PATCH' ? bytes : undefined)).status).toBe(404);
    expect((await send(service, 'DELETE', `/v2/a/b/blobs/${digestOf(bytes)}`)).status).toBe(202);
    for (const to of [service, again]) expect(await put(to, location, digestOf(bytes))).toBe(404);
  });

  it('answer a repeated PUT also where another upload brought the bytes first, and the reaper has been there', async () => {
    const bytes = randomBytes(70);
    expect(await put(service, await patch(await start(), bytes), digestOf(bytes))).toBe(201);
    const second = await patch(await start(), bytes);
    expect(await put(service, second, digestOf(bytes))).toBe(201);
    const lost = await patch(await start(), bytes);
    const [key] = await db.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.object ORDER BY storage_key');
    expect(key).toBeDefined();
    // what a PUT does whose answer is lost on its way
    const held = Buffer.from(lost.split('/').at(-1) ?? '', 'base64url').toString('hex', 23, 39);
    await db.database.sql(`SELECT reg.finish_upload_v1('a/b', false, $1, 70, $2, now(), '{}')`, [held, digestOf(bytes)]);
    await service.reaper.pass();
    for (const to of [service, again, service]) expect(await put(to, lost, digestOf(bytes))).toBe(201);
    for (const to of [again, service]) expect(await put(to, second, digestOf(bytes))).toBe(201);
    await service.local.stop();
  });

  it('tell by nothing in the answer to HEAD whether a repository or a blob is missing', async () => {
    const bytes = randomBytes(10);
    expect(await put(service, await patch(await start(), bytes), digestOf(bytes))).toBe(201);
    const length = async (repository: string, digest: string) => (await send(service, 'HEAD', `/v2/${repository}/blobs/${digest}`)).headers.get('content-length');
    const lengths = new Set([await length('a/b', digestOf(randomBytes(1))), await length('a/none', digestOf(bytes)), await length('a/none', digestOf(randomBytes(1)))]);
    expect(lengths.size).toBe(1);
  });

  it('are not lost by a PUT that the database did not answer: it is repeated', async () => {
    const bytes = randomBytes(60);
    const location = await patch(await start(), bytes);
    await db.database.sql('ALTER FUNCTION reg.finish_upload_v1 RENAME TO finish_upload_hidden');
    expect(await put(service, location, digestOf(bytes))).toBe(500);
    expect(service.faults.splice(0)).toHaveLength(1);
    await db.database.sql('ALTER FUNCTION reg.finish_upload_hidden RENAME TO finish_upload_v1');
    expect(await put(service, location, digestOf(bytes))).toBe(201);
  });

  it('end on a digest that the bytes do not have, and leave no object behind', async () => {
    const location = await patch(await start(), randomBytes(10));
    const wrong = await send(service, 'PUT', `${location}?digest=${digestOf(randomBytes(10))}`);
    expect([wrong.status, (await wrong.text()).includes('DIGEST_INVALID')]).toEqual([400, true]);
    expect((await send(service, 'GET', location)).status).toBe(404);
  });

  it('complete under sha512 though only the PUT says so', async () => {
    const bytes = randomBytes(90);
    expect(await put(service, await patch(await start(), bytes), digestOf(bytes, 'sha512'))).toBe(201);
    expect(await read(digestOf(bytes, 'sha512'))).toEqual(bytes);
  });

  it('that are cancelled are over, and their bytes are the reaper\'s', async () => {
    const before = new Set(storage.list());
    const location = await patch(await start(), randomBytes(10));
    const [key] = [...storage.list()].filter((found) => !before.has(found));
    expect((await send(service, 'DELETE', location)).status).toBe(204);
    for (const to of [service, again]) expect((await send(to, 'GET', location)).status).toBe(404);
    await service.reaper.pass();
    expect([...storage.list()]).not.toContain(key);
    const unused = await start();
    expect((await send(service, 'DELETE', unused)).status).toBe(204);
    expect((await send(service, 'GET', unused)).status).toBe(404);
  });

  it('get their row when the process ends, so that they expire like any other', async () => {
    const ending = await startBlobService(db.database, storage, { alone: true });
    const location = (await send(ending, 'POST', '/v2/a/b/blobs/uploads/')).headers.get('location') ?? '';
    const before = await rows();
    await patch(location, randomBytes(10), ending);
    expect(await rows()).toBe(before);
    await ending.local.stop();
    expect(await rows()).toBe(before + 1);
    expect((await send(again, 'GET', location)).headers.get('range')).toBe('0-9');
    await ending.close();
  });

  it('expire when their time is over, counted from the last request', async () => {
    const short = await startBlobService(db.database, storage, { alone: true, expiry: 1 });
    short.local.start();
    const location = (await send(short, 'POST', '/v2/a/b/blobs/uploads/')).headers.get('location') ?? '';
    const held = await patch(location, randomBytes(10), short);
    await sleep(1200);
    expect((await send(short, 'GET', held)).status).toBe(404);
    expect(await put(short, held, digestOf(randomBytes(1)))).toBe(404);
    await short.local.stop();
    await short.close();
  });

  it('are not refused a request because their row is being written', async () => {
    for (let round = 0; round < 10; round++) {
      const bytes = randomBytes(10);
      const location = await patch(await start(), bytes);
      const status = put(service, location, digestOf(bytes));
      await Promise.all(Array.from({ length: 3 }, (_, i) => sleep(i).then(() => service.local.stop())));
      expect(await status).toBe(201);
      const next = await patch(await start(), bytes);
      const recorded = service.local.stop();
      expect((await send(service, 'PATCH', next, bytes, { 'Content-Range': '10-19' })).status).toBe(202);
      await recorded;
    }
  });

  it('of equal bytes at the same time all succeed and leave one blob', async () => {
    const bytes = randomBytes(5000);
    const locations = await Promise.all(Array.from({ length: 8 }, async () => patch(await start(), bytes)));
    expect(await Promise.all(locations.map((location) => put(service, location, digestOf(bytes))))).toEqual(Array(8).fill(201));
    expect(await db.database.sql('SELECT 1 FROM reg.blob WHERE digest = $1', [digestOf(bytes)])).toHaveLength(1);
    await service.reaper.pass();
    expect(await read(digestOf(bytes))).toEqual(bytes);
  });

  it('cannot be told to hold another object: the URL is signed', async () => {
    const location = await patch(await start(), randomBytes(10));
    const cut = location.lastIndexOf('/') + 1;
    const forged = Buffer.from(location.slice(cut), 'base64url');
    forged[40] = (forged[40] ?? 0) ^ 1;
    expect((await send(again, 'GET', location.slice(0, cut) + forged.toString('base64url'))).status).toBe(404);
  });
});

describe('prepared files that somebody removed', () => {
  it('cost no upload: other keys are taken', async () => {
    const db = await testDatabase();
    const root = mkdtempSync(join(tmpdir(), 'waybill-prepared-'));
    const service = await startBlobService(db.database, await FilesystemBlobStorage.open({ root }), { alone: true });
    const push = (bytes: Buffer) => fetch(`${service.url}/v2/a/b/blobs/uploads/?digest=sha256:${createHash('sha256').update(bytes).digest('hex')}`, { method: 'POST', body: new Uint8Array(bytes) });
    expect((await push(randomBytes(10))).status).toBe(201);
    await sleep(200);
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name)).filter((name) => statSync(name).isFile() && statSync(name).size === 0);
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) rmSync(file);
    for (let i = 0; i < 5; i++) expect((await push(randomBytes(10))).status).toBe(201);
    expect(service.faults).toEqual([]);
    await service.close();
    await db.close();
    rmSync(root, { recursive: true });
  });
});
