import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseStorageKey } from '@waybill/blob-storage';
import { parseRepositoryName } from '@waybill/oci';
import { MemoryBlobStorage } from '@waybill/blob-storage/memory';
import { testDatabase } from '@waybill/testing/postgres';
import { startBlobService } from './testing/blob-service.js';
import type { BlobService } from './testing/blob-service.js';
import { UploadIds } from './upload-id.js';
import { readUploadKey } from './upload-key.js';

const LEASE = 1;

describe('uploads, over two replicas on one database and one storage', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  let storage: MemoryBlobStorage;
  let one: BlobService;
  let two: BlobService;

  beforeAll(async () => {
    db = await testDatabase();
    storage = new MemoryBlobStorage();
    one = await startBlobService(db.database, storage, { lease: LEASE });
    two = await startBlobService(db.database, storage, { lease: LEASE });
  });
  afterAll(async () => {
    await one.close();
    await two.close();
    await db.close();
  });
  afterEach(() => {
    expect(one.faults.splice(0)).toEqual([]);
    expect(two.faults.splice(0)).toEqual([]);
  });

  /** The row's key, which an id begins with. */
  const idOf = (location: string) => Buffer.from(location.split('/').at(-1) ?? '', 'base64url').toString('hex', 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  const digestOf = (bytes: Buffer, algorithm = 'sha256') => `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  const start = async (service: BlobService, query = '') => {
    const response = await fetch(`${service.url}/v2/a/b/blobs/uploads/${query}`, { method: 'POST' });
    expect(response.status).toBe(202);
    return response.headers.get('location') ?? '';
  };
  const send = (service: BlobService, method: string, path: string, body?: Buffer, headers: Record<string, string> = {}) =>
    fetch(service.url + path, { method, headers, ...(body ? { body: new Uint8Array(body) } : {}) });
  const read = async (service: BlobService, digest: string) => {
    const response = await send(service, 'GET', `/v2/a/b/blobs/${digest}`);
    expect(response.status).toBe(200);
    return Buffer.from(await response.arrayBuffer());
  };
  const keysInUse = async () => {
    const rows = await db.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.blob UNION ALL SELECT storage_key FROM reg.object UNION ALL SELECT unnest(segments) FROM reg.upload_session');
    return rows.map(({ key }) => key).sort();
  };

  it('go on at another replica, chunk by chunk, and come out byte for byte', async () => {
    const bytes = randomBytes(300_000);
    const location = await start(one);
    expect((await send(two, 'PATCH', location, bytes.subarray(0, 100_000))).headers.get('range')).toBe('0-99999');
    expect((await send(one, 'PATCH', location, bytes.subarray(100_000, 200_000), { 'Content-Range': '100000-199999' })).status).toBe(202);
    const done = await send(two, 'PUT', `${location}?digest=${digestOf(bytes)}`, bytes.subarray(200_000));
    expect(done.status).toBe(201);
    expect(await read(one, digestOf(bytes))).toEqual(bytes);
  });

  // rows of uploads do not wait for the disk: a crash of the database takes the last ones back
  it.each(['PATCH', 'PUT'])('are told where they stand when a crash took their row back and a %s goes on by the URL of before', async (method) => {
    const bytes = randomBytes(90_000);
    const started = await start(one);
    const location = (await send(one, 'PATCH', started, bytes.subarray(0, 80_000))).headers.get('location') ?? '';
    // its object would be one that nothing speaks of, which is not what this is about
    await db.database.sql('WITH gone AS (DELETE FROM reg.upload_session WHERE upload_id = $1 RETURNING segments) INSERT INTO reg.object SELECT unnest(segments), clock_timestamp() FROM gone', [idOf(started)]);
    const rest = await send(two, method, method === 'PUT' ? `${location}?digest=${digestOf(bytes)}` : location, bytes.subarray(80_000));
    expect([rest.status, rest.headers.get('range'), rest.headers.get('location')]).toEqual([416, '0-0', started]);
    // from the beginning, where it was told to
    expect((await send(two, 'PATCH', started, bytes)).status).toBe(202);
    expect((await send(one, 'PUT', `${started}?digest=${digestOf(bytes)}`)).status).toBe(201);
    expect(await read(two, digestOf(bytes))).toEqual(bytes);
  });

  it('do not take a part for the whole when a crash took their last PATCH back', async () => {
    const bytes = randomBytes(2000);
    const started = await start(one);
    const first = (await send(one, 'PATCH', started, bytes.subarray(0, 1000))).headers.get('location') ?? '';
    const second = (await send(one, 'PATCH', first, bytes.subarray(1000))).headers.get('location') ?? '';
    await db.database.sql(`WITH gone AS (UPDATE reg.upload_session u SET size = 1000, segments = u.segments[1:1], segment_sizes = u.segment_sizes[1:1], hash = NULL
      FROM reg.upload_session old WHERE u.upload_id = $1 AND old.upload_id = $1 RETURNING old.segments[2] AS key) INSERT INTO reg.object SELECT key, clock_timestamp() FROM gone`, [idOf(started)]);
    const early = await send(two, 'PUT', `${second}?digest=${digestOf(bytes)}`);
    expect([early.status, early.headers.get('range')]).toEqual([416, '0-999']);
    const told = early.headers.get('location') ?? '';
    expect((await send(two, 'PUT', `${told}?digest=${digestOf(bytes)}`, bytes.subarray(1000))).status).toBe(201);
    expect(await read(one, digestOf(bytes))).toEqual(bytes);
  });

  it('take no bytes twice from a client that repeats a PATCH whose answer it did not get', async () => {
    const bytes = randomBytes(3000);
    const first = (await send(one, 'PATCH', await start(one), bytes.subarray(0, 1000))).headers.get('location') ?? '';
    expect((await send(one, 'PATCH', first, bytes.subarray(1000, 2000))).status).toBe(202);
    const again = await send(two, 'PATCH', first, bytes.subarray(1000, 2000));
    expect([again.status, again.headers.get('range')]).toEqual([416, '0-1999']);
    const told = again.headers.get('location') ?? '';
    const next = await send(two, 'PATCH', told, bytes.subarray(2000));
    expect([next.status, next.headers.get('range')]).toEqual([202, '0-2999']);
    expect((await send(one, 'PUT', `${next.headers.get('location') ?? ''}?digest=${digestOf(bytes)}`)).status).toBe(201);
  });

  it.each(['sha256', 'sha512'])('complete at another replica than the one that took the bytes, with %s', async (algorithm) => {
    const bytes = randomBytes(50_000);
    const location = await start(one);
    await send(one, 'PATCH', location, bytes);
    expect((await send(two, 'PUT', `${location}?digest=${digestOf(bytes, algorithm)}`)).status).toBe(201);
    expect(await read(one, digestOf(bytes, algorithm))).toEqual(bytes);
  });

  it('copy no byte of an upload in one request: its object is the blob', async () => {
    const bytes = randomBytes(1000);
    const location = await start(one);
    await send(one, 'PATCH', location, bytes);
    const [segment] = await db.database.sql<{ key: string }>('SELECT segments[1] AS key FROM reg.upload_session WHERE state = \'O\' AND size = 1000');
    await send(one, 'PUT', `${location}?digest=${digestOf(bytes)}`);
    const [blob] = await db.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.blob WHERE digest = $1', [digestOf(bytes)]);
    expect(blob?.key).toBe(segment?.key);
  });

  it('let one of two writers in and answer the other 416 at once, with the true range', async () => {
    const location = await start(one);
    const slow = httpRequest(one.url + location, { method: 'PATCH', headers: { 'Transfer-Encoding': 'chunked' } });
    slow.on('error', () => undefined);
    slow.write(randomBytes(10));
    await sleep(100);
    const before = performance.now();
    const loser = await send(two, 'PATCH', location, randomBytes(5));
    expect(performance.now() - before).toBeLessThan(500);
    expect([loser.status, loser.headers.get('range'), loser.headers.get('location')]).toEqual([416, '0-0', location]);
    const answered = new Promise<number | undefined>((resolve) => slow.on('response', (response) => resolve(response.resume().statusCode)));
    slow.end(randomBytes(10));
    expect(await answered).toBe(202);
    expect((await send(two, 'GET', location)).headers.get('range')).toBe('0-19');
  });

  it('keep the claim of a transfer that outlives the lease', async () => {
    const location = await start(one);
    const slow = httpRequest(one.url + location, { method: 'PATCH', headers: { 'Transfer-Encoding': 'chunked' } });
    slow.write(randomBytes(10));
    await sleep(LEASE * 1000 * 1.5);
    expect((await send(two, 'PATCH', location, randomBytes(5))).status).toBe(416);
    const answered = new Promise<number | undefined>((resolve) => slow.on('response', (response) => resolve(response.resume().statusCode)));
    slow.end();
    expect(await answered).toBe(202);
  });

  it('are taken over from a dead writer, whose bytes go and whose late end changes nothing', async () => {
    const location = await start(one);
    const upload = idOf(location);
    const dead = { writer: randomUUID(), key: '01900000-0000-7000-8000-000000000001' };
    await db.database.sql('SELECT reg.claim_upload_v1($1, \'a/b\', \'\', now(), interval \'1 h\', 0, $2, $3, make_interval(secs => 0.2))', [upload, dead.writer, dead.key]);
    expect((await send(one, 'PATCH', location, randomBytes(5))).status).toBe(416);
    await sleep(250);
    const bytes = randomBytes(7);
    expect((await send(one, 'PATCH', location, bytes)).status).toBe(202);
    const [late] = await db.database.sql<{ held: boolean }>('SELECT reg.advance_upload_v1($1, $2, 99, NULL) AS held', [upload, dead.writer]);
    expect(late?.held).toBe(false);
    expect((await send(two, 'PUT', `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    const [dropped] = await db.database.sql<{ later: boolean }>('SELECT due_at > clock_timestamp() + interval \'5 minutes\' AS later FROM reg.object WHERE storage_key = $1', [dead.key]);
    expect(dropped?.later).toBe(true);
  });

  it('keep what arrived before a client went away, and go on from there', async () => {
    const bytes = randomBytes(200_000);
    const location = await start(one);
    const broken = httpRequest(one.url + location, { method: 'PATCH', headers: { 'Content-Length': String(bytes.length) } });
    broken.on('error', () => undefined);
    await new Promise<void>((resolve) => broken.write(bytes.subarray(0, 120_000), () => resolve()));
    await sleep(100);
    broken.destroy();
    let range = '0-0';
    for (let i = 0; i < 50 && range === '0-0'; i++, await sleep(20)) range = (await send(two, 'GET', location)).headers.get('range') ?? '';
    const offset = Number(range.split('-')[1]) + 1;
    expect(offset).toBeGreaterThan(60_000);
    expect((await send(two, 'PATCH', location, bytes.subarray(offset), { 'Content-Range': `${offset}-${bytes.length - 1}` })).status).toBe(202);
    expect((await send(one, 'PUT', `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    expect(await read(one, digestOf(bytes))).toEqual(bytes);
  });

  it('end on a digest that the bytes do not have, and leave no object behind', async () => {
    const location = await start(one);
    await send(one, 'PATCH', location, randomBytes(10));
    const wrong = await send(two, 'PUT', `${location}?digest=${digestOf(randomBytes(10))}`);
    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain('DIGEST_INVALID');
    expect((await send(one, 'GET', location)).status).toBe(404);
  });

  it('answer a repeated PUT like the first, and another digest as an unknown session', async () => {
    const bytes = randomBytes(10);
    const location = await start(one);
    await send(one, 'PATCH', location, bytes);
    for (const service of [one, two, one]) expect((await send(service, 'PUT', `${location}?digest=${digestOf(bytes)}`)).status).toBe(201);
    expect((await send(one, 'PUT', `${location}?digest=${digestOf(randomBytes(1))}`)).status).toBe(404);
    expect((await send(one, 'PATCH', location, bytes)).status).toBe(404);
  });

  it('of equal bytes at the same time all succeed and leave one blob; the reaper deletes the losers and nothing else', async () => {
    const bytes = randomBytes(5000);
    const locations = await Promise.all(Array.from({ length: 8 }, (_, i) => start(i % 2 ? one : two)));
    await Promise.all(locations.map((location) => send(one, 'PATCH', location, bytes)));
    const answers = await Promise.all(locations.map((location, i) => send(i % 2 ? one : two, 'PUT', `${location}?digest=${digestOf(bytes)}`)));
    expect(answers.map((answer) => answer.status)).toEqual(Array(8).fill(201));
    const generations = await db.database.sql('SELECT 1 FROM reg.blob WHERE digest = $1', [digestOf(bytes)]);
    expect(generations).toHaveLength(1);
    await db.database.sql('UPDATE reg.object SET due_at = clock_timestamp()');
    await Promise.all([one.reaper.pass(), two.reaper.pass()]);
    expect(await db.database.sql('SELECT 1 FROM reg.object')).toEqual([]);
    expect(await read(one, digestOf(bytes))).toEqual(bytes);
    expect([...storage.list()].sort()).toEqual(await keysInUse());
  });

  it('expire with their objects, but not while a writer is at work', async () => {
    const idle = await start(one);
    await send(one, 'PATCH', idle, randomBytes(10));
    const busy = await start(one);
    const slow = httpRequest(one.url + busy, { method: 'PATCH', headers: { 'Transfer-Encoding': 'chunked' } });
    slow.on('error', () => undefined);
    slow.write(randomBytes(10));
    await sleep(50);
    await db.database.sql('UPDATE reg.upload_session SET expires_at = clock_timestamp() - interval \'1 second\'');
    expect((await send(one, 'GET', idle)).status).toBe(404);
    await one.reaper.pass();
    expect(await db.database.sql('SELECT 1 FROM reg.upload_session WHERE upload_id = $1', [idOf(idle)])).toHaveLength(1);
    await db.database.sql('UPDATE reg.upload_session SET started_at = started_at - interval \'1 hour\', reap_after = clock_timestamp()');
    await one.reaper.pass();
    const left = await db.database.sql<{ id: string }>('SELECT upload_id AS id FROM reg.upload_session');
    expect(left.map(({ id }) => id)).toEqual([idOf(busy)]);
    slow.destroy();
    await sleep(100);
    await db.database.sql('UPDATE reg.upload_session SET lease_until = NULL, reap_after = clock_timestamp()');
    await one.reaper.pass();
    await db.database.sql('UPDATE reg.object SET due_at = clock_timestamp()');
    await one.reaper.pass();
    expect([...storage.list()].sort()).toEqual(await keysInUse());
  });

  it('write nothing until bytes come, and are one session at every replica all the same', async () => {
    const count = async () => (await db.database.sql('SELECT 1 FROM reg.upload_session')).length;
    const before = await count();
    const location = await start(one);
    expect((await send(two, 'GET', location)).headers.get('range')).toBe('0-0');
    expect(await count()).toBe(before);
    expect((await send(two, 'DELETE', location)).status).toBe(204);
    for (const service of [one, two]) {
      expect((await send(service, 'GET', location)).status).toBe(404);
      expect((await send(service, 'PATCH', location, randomBytes(5))).status).toBe(404);
      expect((await send(service, 'DELETE', location)).status).toBe(404);
    }
  });

  it('end for good: an id that has waited too long begins nothing', async () => {
    const location = await start(one);
    const bytes = randomBytes(10);
    const old = new UploadIds(await readUploadKey(db.database)).make(parseRepositoryName('a/b'), '', 'sha256', Date.now() - 16 * 60_000).upload;
    const path = `${location.slice(0, location.lastIndexOf('/'))}/${old}`;
    expect((await send(one, 'GET', path)).status).toBe(404);
    expect((await send(one, 'PATCH', path, bytes)).status).toBe(404);
    expect((await send(one, 'PATCH', path, randomBytes(100_000))).status).toBe(404);
    expect((await send(one, 'PUT', `${path}?digest=${digestOf(bytes)}`, bytes)).status).toBe(404);
    expect((await send(one, 'DELETE', path)).status).toBe(404);
  });

  it('of one session in several small writes at once: each byte counts once, whoever wins', async () => {
    for (let round = 0; round < 20; round++) {
      const location = await start(one);
      const answers = await Promise.all([one, two, one, two].map((service) => send(service, 'PATCH', location, randomBytes(10), { 'Content-Range': '0-9' })));
      expect(answers.map((answer) => answer.status).sort()).toEqual([202, 416, 416, 416]);
      expect((await send(one, 'GET', location)).headers.get('range')).toBe('0-9');
    }
  });

  it('take the whole blob in one PUT with one call to the database, and again, and not under another digest', async () => {
    const bytes = randomBytes(30);
    const location = await start(one);
    const wrong = await send(one, 'PUT', `${location}?digest=${digestOf(randomBytes(3))}`, bytes);
    expect(wrong.status).toBe(400);
    expect((await send(two, 'PUT', `${location}?digest=${digestOf(bytes)}`, bytes)).status).toBe(404);
    const next = await start(one);
    for (const service of [one, two]) expect((await send(service, 'PUT', `${next}?digest=${digestOf(bytes)}`, bytes)).status).toBe(201);
    expect(await read(two, digestOf(bytes))).toEqual(bytes);
  });

  it('answer a repeated PUT only while the blob is there', async () => {
    const bytes = randomBytes(40);
    const location = await start(one);
    await send(one, 'PATCH', location, bytes);
    const put = () => send(two, 'PUT', `${location}?digest=${digestOf(bytes)}`);
    expect((await put()).status).toBe(201);
    expect((await send(one, 'DELETE', `/v2/a/b/blobs/${digestOf(bytes)}`)).status).toBe(202);
    expect((await put()).status).toBe(404);
  });

  it('whose claim the database forgot in a crash end with 503 and leave no object behind, and the same PUT once more succeeds', async () => {
    const before = [...storage.list()].length;
    const bytes = randomBytes(100_000);
    const location = `${await start(one)}?digest=${encodeURIComponent(digestOf(bytes))}`;
    const slow = httpRequest(one.url + location, { method: 'PUT', headers: { 'Content-Length': bytes.length } });
    const answered = new Promise<unknown[]>((resolve) => slow.on('response', (response) => resolve([response.resume().statusCode, response.headers['retry-after']])));
    slow.write(bytes.subarray(0, 90_000));
    const claimed = () => db.database.sql('DELETE FROM reg.upload_session WHERE upload_id = $1 AND writer IS NOT NULL RETURNING 1', [idOf(location.split('?')[0] ?? '')]);
    while ((await claimed()).length === 0) await sleep(10);
    slow.end(bytes.subarray(90_000));
    expect(await answered).toEqual([503, '2']);
    expect([...storage.list()]).toHaveLength(before);
    expect(one.faults.splice(0)).toHaveLength(1);
    expect((await send(two, 'PUT', location, bytes)).status).toBe(201);
    expect((await read(one, digestOf(bytes))).equals(bytes)).toBe(true);
  });

  it('that are cancelled while a PATCH is at work end it with 404, and leave no object behind', async () => {
    const location = await start(one);
    const slow = httpRequest(one.url + location, { method: 'PATCH', headers: { 'Transfer-Encoding': 'chunked' } });
    slow.write(randomBytes(10));
    await sleep(100);
    expect((await send(two, 'DELETE', location)).status).toBe(204);
    const [dropped] = await db.database.sql<{ key: string }>('UPDATE reg.object SET due_at = clock_timestamp() WHERE due_at < clock_timestamp() + interval \'1 h\' RETURNING storage_key AS key');
    await two.reaper.pass();
    const answered = new Promise<number | undefined>((resolve) => slow.on('response', (response) => resolve(response.resume().statusCode)));
    slow.end(randomBytes(10));
    expect(await answered).toBe(404);
    expect([...storage.list()]).not.toContain(dropped?.key);
  });

  it('last as long as they are written to', async () => {
    const short = await startBlobService(db.database, storage, { expiry: 1 });
    const parts = Array.from({ length: 4 }, () => randomBytes(10));
    const location = await start(short);
    for (const part of parts) {
      expect((await send(short, 'PATCH', location, part)).status).toBe(202);
      await sleep(600);
    }
    expect((await send(short, 'PUT', `${location}?digest=${digestOf(Buffer.concat(parts))}`)).status).toBe(201);
    await short.close();
  });

  it('append events that can be read, also from a replica whose clock is ahead', async () => {
    const key = await readUploadKey(db.database);
    const bytes = randomBytes(50);
    const { upload } = new UploadIds(key).make(parseRepositoryName('a/b'), '', 'sha256', Date.now() + 60_000);
    expect((await send(one, 'PUT', `/v2/a/b/blobs/uploads/${upload}?digest=${digestOf(bytes)}`, bytes)).status).toBe(201);
    const [event] = await db.database.sql<{ ms: string }>(`SELECT data ->> 'upload_ms' AS ms FROM es.event WHERE data ->> 'digest' = $1`, [digestOf(bytes)]);
    expect(event?.ms).toBe('0');
  });

  it('never give bytes that a blob owns to the reaper, whatever stands in reg.object', async () => {
    const bytes = randomBytes(100);
    const location = await start(one);
    await send(one, 'PATCH', location, bytes);
    await send(one, 'PUT', `${location}?digest=${digestOf(bytes)}`);
    const [blob] = await db.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.blob WHERE digest = $1', [digestOf(bytes)]);
    await db.database.sql('INSERT INTO reg.object (storage_key, due_at) VALUES ($1, clock_timestamp())', [blob?.key]);
    await one.reaper.pass();
    expect(await storage.stat(parseStorageKey(blob?.key ?? ''))).toBe(100);
    await db.database.sql('DELETE FROM reg.object');
  });
});
