import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { testDatabase } from '@waybill/testing/postgres';
import { startBlobService } from './testing/blob-service.js';
import type { BlobService } from './testing/blob-service.js';

describe('an upload whose bytes a loss of power took, after they were acknowledged', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  let root: string;
  let before: BlobService;
  let after: BlobService;

  beforeAll(async () => {
    db = await testDatabase();
    root = mkdtempSync(join(tmpdir(), 'waybill-power-'));
    before = await startBlobService(db.database, await FilesystemBlobStorage.open({ root }));
    after = await startBlobService(db.database, await FilesystemBlobStorage.open({ root }));
  });
  afterAll(async () => {
    await before.close();
    await after.close();
    await db.close();
    rmSync(root, { recursive: true });
  });

  it.each([
    ['cut short', 404, (bytes: Buffer) => bytes.subarray(0, 100)],
    ['zeroed', 400, (bytes: Buffer) => Buffer.alloc(bytes.length)],
  ])('is never a blob: %s, it is answered %d', async (_how, status, damage) => {
    const bytes = randomBytes(5000);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const location = (await fetch(`${before.url}/v2/a/b/blobs/uploads/`, { method: 'POST' })).headers.get('location') ?? '';
    expect((await fetch(before.url + location, { method: 'PATCH', body: new Uint8Array(bytes) })).status).toBe(202);
    const [row] = await db.database.sql<{ key: string }>('SELECT segments[1] AS key FROM reg.upload_session WHERE state = \'O\'');
    const file = readdirSync(root, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith(row?.key ?? 'none')) ?? '';
    writeFileSync(join(root, file), damage(bytes));
    expect((await fetch(`${after.url}${location}?digest=${digest}`, { method: 'PUT' })).status).toBe(status);
    expect((await fetch(`${after.url}/v2/a/b/blobs/${digest}`, { method: 'HEAD' })).status).toBe(404);
    expect((await fetch(after.url + location)).status).toBe(404);
    expect([...before.faults, ...after.faults]).toEqual([]);
  });
});
