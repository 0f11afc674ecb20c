import { execFileSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { closeSync, openSync, statfsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { requireBinaries, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { newStorageKey } from '../storage-key.js';
import { openDescriptors } from '../testing/folders.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import { BlockPool, DirectBlocks } from './direct-blocks.js';
import { syncData, writeChunks } from './disk.js';
import { FilesystemBlobStorage } from './filesystem-blob-storage.js';
import { objectPath } from './layout.js';

const MiB = 1024 * 1024;
const TMPFS = 0x01_02_19_94;
/** Whether this machine can tell what is in the page cache: on tmpfs all files are. */
const told = requireBinaries('fincore') !== undefined && statfsSync(tmpdir()).type !== TMPFS;

/** Bytes of a file that stand in the page cache. */
function cachedBytes(path: string): number {
  return Number(execFileSync('fincore', ['--bytes', '--noheadings', '--output', 'RES', path], { encoding: 'utf8' }));
}

/** Keeps the threads busy that write files: a write that is begun now waits for them. Resolves when they are free again. */
async function occupyThreads(): Promise<void> {
  const threads = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4);
  await Promise.all(Array.from({ length: threads }, () => new Promise<void>((resolve) => pbkdf2('password', 'salt', 400_000, 64, 'sha512', () => resolve()))));
}

describe('blocks past the page cache', () => {
  let folder: TemporaryFolder;
  beforeEach(async () => {
    folder = await temporaryFolder('direct');
  });
  afterEach(async () => {
    expect(openDescriptors(folder.path)).toBe(0);
    await folder.remove();
  });

  /** Writes `head` through the cache and `chunks` through blocks, and returns what the file holds then. */
  async function written(pool: BlockPool, head: Buffer, chunks: readonly Buffer[]): Promise<Buffer> {
    const path = join(folder.path, 'file');
    const fd = openSync(path, 'wx');
    if (head.length > 0) await writeChunks(fd, [head], head.length);
    const blocks = await DirectBlocks.open(pool, path, fd, head.length);
    if (blocks === undefined) throw new Error('expected blocks');
    for (const chunk of chunks) {
      const copy = Buffer.from(chunk);
      const waiting = blocks.write(copy);
      if (waiting === undefined) copy.fill(0);
      await waiting;
    }
    await blocks.end();
    await blocks.close();
    await syncData(fd);
    closeSync(fd);
    return readFile(path);
  }

  it.each([
    { head: 0, chunks: [MiB] },
    { head: 4096, chunks: [3 * MiB, 1] },
    { head: 1, chunks: [MiB - 1, 1, 2 * MiB] },
    { head: 70_001, chunks: [65_536, 65_535, 3 * MiB + 4097, 10] },
    { head: 5, chunks: [100] },
    { head: 4097, chunks: [MiB - 4095, 0, MiB] },
  ])('hold every byte, from byte $head on, in pieces of $chunks', async ({ head, chunks }) => {
    const bytes = bytesOf(chunks.reduce((sum, size) => sum + size, head));
    let from = head;
    const pieces = chunks.map((size) => bytes.subarray(from, (from += size)));
    expect((await written(new BlockPool(), bytes.subarray(0, head), pieces)).equals(bytes)).toBe(true);
  });

  it('go through the cache from the first refusal on, with no byte lost', async () => {
    class CrookedPool extends BlockPool {
      protected override allocate(): Buffer {
        return Buffer.from(new ArrayBuffer(MiB + 16)).subarray(1, MiB + 1);
      }
    }
    const pool = new CrookedPool();
    const bytes = bytesOf(3 * MiB + 17);
    expect((await written(pool, bytes.subarray(0, 9), [bytes.subarray(9)])).equals(bytes)).toBe(true);
    expect(pool.refused).toBe(true);
    const fd = openSync(join(folder.path, 'file'), 'r+');
    expect(await DirectBlocks.open(pool, join(folder.path, 'file'), fd, 0)).toBeUndefined();
    closeSync(fd);
  });

  it('are for eight uploads of a process, and come back', async () => {
    const pool = new BlockPool();
    const path = join(folder.path, 'file');
    const fd = openSync(path, 'wx');
    const open = () => DirectBlocks.open(pool, path, fd, 0);
    const all = await Promise.all(Array.from({ length: 9 }, open));
    expect(all.filter((blocks) => blocks !== undefined)).toHaveLength(8);
    for (const blocks of all) await blocks?.close();
    const again = await open();
    expect(again).toBeDefined();
    await again?.close();
    closeSync(fd);
  });

  /** A file that gets the numbers of descriptors which were closed just now: its size once every write of theirs has come through. */
  async function neighbour(busy: Promise<unknown>): Promise<number> {
    const path = join(folder.path, 'neighbour');
    const fds = Array.from({ length: 4 }, () => openSync(path, 'a+'));
    for (const fd of fds) closeSync(fd);
    const again = Array.from({ length: 4 }, () => openSync(path, 'r+'));
    await busy;
    await occupyThreads();
    for (const fd of again) closeSync(fd);
    return statSync(path).size;
  }

  it('are not written once they are closed, whoever waits to write: the descriptor may be another file by then, and the block another upload\'s', async () => {
    const [pool, path] = [new BlockPool(), join(folder.path, 'file')];
    const fd = openSync(path, 'wx');
    const blocks = await DirectBlocks.open(pool, path, fd, 0);
    const before = occupyThreads();
    expect(blocks?.write(bytesOf(MiB))).toBeUndefined();
    const waiting = blocks?.write(bytesOf(MiB));
    expect(waiting).toBeDefined();
    const behind = occupyThreads();
    await Promise.all([blocks?.close(), blocks?.close()]);
    expect(await neighbour(Promise.all([before, behind, waiting]))).toBe(0);
    expect(pool.take()).not.toBe(pool.take());
    closeSync(fd);
  });

  it('are waited for by each of two who cancel their upload', async () => {
    const storage = await FilesystemBlobStorage.open({ root: folder.path, directFrom: 1 });
    const writer = storage.create(newStorageKey());
    await writer.write(bytesOf(MiB + 5));
    await occupyThreads();
    const busy = occupyThreads();
    // the blocks begin within a sector: what is before the next one goes through the cache, by the writer's own descriptor
    expect(writer.write(bytesOf(MiB))).toBeUndefined();
    const ends = [writer.cancel(), writer.cancel()];
    for (let turns = 0; turns < 5; turns += 1) await nextTurn();
    expect(await neighbour(Promise.all([busy, ...ends]))).toBe(0);
    await storage.close();
  });

  if (!told) {
    it.skip('needs fincore, and a folder for temporary files that is no tmpfs', () => undefined);
    return;
  }

  it.each([{ directFrom: 2 * MiB, most: 4 * MiB }, { directFrom: 0, most: Infinity }])('take the rest of a file with directFrom $directFrom', async ({ directFrom, most }) => {
    const storage = await FilesystemBlobStorage.open({ root: folder.path, directFrom });
    const [key, bytes] = [newStorageKey(), bytesOf(12 * MiB + 345)];
    await upload(storage, key, bytes, 65_537);
    await storage.persist(key);
    const cached = cachedBytes(objectPath(folder.path, key));
    if (directFrom > 0) expect(cached).toBeLessThanOrEqual(most);
    else expect(cached).toBeGreaterThan(12 * MiB);
    expect((await readAll(storage, key)).equals(bytes)).toBe(true);
    await storage.close();
  });

  it('are given back by an upload that is cancelled', async () => {
    const storage = await FilesystemBlobStorage.open({ root: folder.path, directFrom: 1 });
    for (let i = 0; i < 10; i += 1) {
      const writer = storage.create(newStorageKey());
      for (let k = 0; k < 3; k += 1) await writer.write(bytesOf(MiB + 5));
      await writer.cancel();
    }
    const key = newStorageKey();
    await upload(storage, key, bytesOf(6 * MiB), 65_536);
    await storage.persist(key);
    expect(cachedBytes(objectPath(folder.path, key))).toBeLessThanOrEqual(3 * MiB);
    await storage.close();
  });
});
