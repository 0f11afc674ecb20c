import { jest } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DataDirectoryRefused } from '../data-directory.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { chooseUser, findBinaries, isPostmasterOf } from './postgres-process.js';

const root = mkdtempSync(join(tmpdir(), 'wb-embedded-'));
const dataDirectory = join(root, 'data');
const cluster = join(dataDirectory, 'postgres');
const moduleUrl = new URL('./embedded-postgres.js', import.meta.url).href;
const isRoot = process.getuid?.() === 0;
const children: ChildProcess[] = [];
jest.setTimeout(30_000);

/** A Node process of its own that owns the cluster; resolves with its url once the server is up. */
async function startOwner(directory: string, user: { uid?: number; gid?: number } = {}, temporary = directory): Promise<{ child: ChildProcess; url: string }> {
  const script = `const { EmbeddedPostgres } = await import(${JSON.stringify(moduleUrl)});
    const server = await EmbeddedPostgres.start({ dataDirectory: ${JSON.stringify(directory)} });
    console.log(server.url); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '', TMPDIR: temporary }, ...user });
  children.push(child);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text; });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()));
    child.once('exit', () => reject(new Error(errors)));
  });
  return { child, url };
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function eventually<T>(attempt: () => Promise<T>, patience = 10_000): Promise<T> {
  for (const end = Date.now() + patience; ; await sleep(50)) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

const socketFolder = (url: string): string => new URL(url).searchParams.get('host') ?? '';
const postmasterPid = (): number => Number.parseInt(readFileSync(join(cluster, 'postmaster.pid'), 'utf8'), 10);

describe('the embedded Postgres', () => {
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(root, { recursive: true, force: true });
  });

  it('is created by the first start, keeps what was committed, and accepts connections within 200 ms at the next', async () => {
    const first = await EmbeddedPostgres.start({ dataDirectory });
    await query(first.url, 'CREATE TABLE kept (value int); INSERT INTO kept VALUES (1)');
    await first.stop();
    const times: number[] = [];
    for (let round = 0; round < 3; round++) {
      const began = performance.now();
      const server = await EmbeddedPostgres.start({ dataDirectory });
      times.push(performance.now() - began);
      expect(await query(server.url, 'SELECT value FROM kept')).toEqual([{ value: 1 }]);
      await server.stop();
    }
    expect(Math.min(...times)).toBeLessThan(200);
  });

  it('is durable and reachable through a private unix socket only', async () => {
    const server = await EmbeddedPostgres.start({ dataDirectory });
    try {
      const [settings] = await query(server.url, "SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commit, current_setting('listen_addresses') AS addresses, current_setting('unix_socket_directories') AS socket");
      expect(settings).toMatchObject({ fsync: 'on', pages: 'on', commit: 'on', addresses: '' });
      expect(statSync(String(settings?.['socket'])).mode & 0o777).toBe(0o700);
    } finally {
      await server.stop();
    }
  });

  it('refuses a second start while the first runs, in this process and from another', async () => {
    const server = await EmbeddedPostgres.start({ dataDirectory });
    try {
      await expect(EmbeddedPostgres.start({ dataDirectory })).rejects.toThrow(DataDirectoryRefused);
      await expect(startOwner(dataDirectory)).rejects.toThrow(`in use by another Waybill process (pid ${process.pid})`);
      expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      await server.stop();
    }
  });

  it('keeps every acknowledged row when Node is killed, and starts again at once', async () => {
    const { child, url } = await startOwner(dataDirectory);
    const postmaster = postmasterPid();
    await query(url, 'CREATE TABLE acknowledged (value int)');
    let acknowledged = 0;
    const writer = (async () => {
      for (;;) await query(url, `INSERT INTO acknowledged VALUES (${acknowledged + 1})`).then(() => { acknowledged++; });
    })().catch(() => undefined);
    await eventually(() => (acknowledged > 10 ? Promise.resolve() : Promise.reject(new Error('too few rows'))));
    child.kill('SIGKILL');
    const server = await EmbeddedPostgres.start({ dataDirectory });
    await writer;
    const [row] = await query(server.url, 'SELECT count(*)::int AS count FROM acknowledged');
    expect(await isPostmasterOf(postmaster, cluster)).toBe(false);
    await server.stop();
    expect(row?.['count']).toBeGreaterThanOrEqual(acknowledged);
  });

  it('brings the postmaster back by itself when that is killed', async () => {
    const server = await EmbeddedPostgres.start({ dataDirectory });
    const before = postmasterPid();
    process.kill(before, 'SIGKILL');
    const rows = await eventually(() => query(server.url, 'SELECT value FROM kept'));
    const after = postmasterPid();
    await server.stop();
    expect(rows).toEqual([{ value: 1 }]);
    expect(after).not.toBe(before);
  });

  it('starts after Node and the postmaster were killed together', async () => {
    const { child } = await startOwner(dataDirectory);
    process.kill(postmasterPid(), 'SIGKILL');
    child.kill('SIGKILL');
    const server = await EmbeddedPostgres.start({ dataDirectory });
    const rows = await query(server.url, 'SELECT value FROM kept');
    await server.stop();
    expect(rows).toEqual([{ value: 1 }]);
  });

  it('stops a postmaster that outlived its Node process', async () => {
    const { postgres } = await findBinaries();
    const socket = mkdtempSync(join(root, 's-'));
    const user = chooseUser(cluster);
    chmodSync(root, 0o711);
    if (user !== undefined) chownSync(socket, user.uid, user.gid);
    const orphan = spawn(postgres, ['-D', cluster, '-k', socket, '-c', 'listen_addresses='], { ...user, stdio: 'ignore' });
    children.push(orphan);
    await eventually(() => query(`postgresql://waybill@localhost/postgres?host=${encodeURIComponent(socket)}`, 'SELECT 1'));
    const server = await EmbeddedPostgres.start({ dataDirectory });
    const rows = await query(server.url, 'SELECT value FROM kept');
    await server.stop();
    expect(rows).toEqual([{ value: 1 }]);
    expect(orphan.exitCode).toBe(0);
  });

  it('is not fooled by a record whose pid belongs to another program by now', async () => {
    const { child } = await startOwner(dataDirectory);
    process.kill(postmasterPid(), 'SIGKILL');
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const record = join(cluster, 'postmaster.pid');
    const stranger = spawn('sleep', ['60']);
    children.push(stranger);
    writeFileSync(record, readFileSync(record, 'utf8').replace(/^\d+/, String(stranger.pid)));
    const server = await EmbeddedPostgres.start({ dataDirectory });
    await server.stop();
    expect(stranger.exitCode).toBeNull();
    expect(stranger.signalCode).toBeNull();
  });

  it('removes the socket folders that killed servers left, and none that a server uses or is about to use', async () => {
    const temporary = join(root, 't');
    mkdirSync(temporary, { mode: 0o777 });
    const gone = await startOwner(join(root, 'gone'), {}, temporary);
    process.kill(Number.parseInt(readFileSync(join(root, 'gone', 'postgres', 'postmaster.pid'), 'utf8'), 10), 'SIGKILL');
    gone.child.kill('SIGKILL');
    const living = await startOwner(join(root, 'living'), {}, temporary);
    const [left, used] = [socketFolder(gone.url), socketFolder(living.url)];
    expect(readdirSync(left)).toContain('.s.PGSQL.5432');
    const make = (name: string): string => {
      const folder = join(temporary, name);
      mkdirSync(folder, { mode: 0o700 });
      chownSync(folder, statSync(left).uid, statSync(left).gid);
      return folder;
    };
    const [empty, fresh, filled, foreign] = [make('waybill-0000000000000000'), make('waybill-1111111111111111'), make('waybill-2222222222222222'), make('waybill-of-somebody')];
    writeFileSync(join(filled, 'letter'), 'mine');
    const hoursAgo = new Date(Date.now() - 2 * 3_600_000);
    for (const folder of [left, used, empty, filled, foreign]) utimesSync(folder, hoursAgo, hoursAgo);
    const next = await startOwner(join(root, 'next'), {}, temporary);
    expect(readdirSync(temporary).map((name) => join(temporary, name)).toSorted()).toEqual([socketFolder(next.url), used, fresh, filled, foreign].toSorted());
    expect(await query(living.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    for (const { child } of [living, next]) child.kill('SIGKILL');
  });

  it('refuses a cluster of another major, and a folder that is no cluster, and touches neither', async () => {
    const other = join(root, 'other');
    mkdirSync(join(other, 'postgres'), { recursive: true });
    const note = join(other, 'postgres', 'note');
    writeFileSync(note, 'mine');
    await expect(EmbeddedPostgres.start({ dataDirectory: other })).rejects.toThrow('it is no Postgres database');
    writeFileSync(join(other, 'postgres', 'PG_VERSION'), '15\n');
    const before = statSync(join(other, 'postgres'));
    await expect(EmbeddedPostgres.start({ dataDirectory: other })).rejects.toThrow(/made by Postgres 15, and this version of Waybill brings Postgres 18/);
    const after = statSync(join(other, 'postgres'));
    expect([after.mtimeMs, after.uid, after.mode]).toEqual([before.mtimeMs, before.uid, before.mode]);
    expect(readFileSync(note, 'utf8')).toBe('mine');
  });

  it('works under a private home and, where the tests run as root, as an ordinary user too', async () => {
    const home = join(root, 'home');
    mkdirSync(home, { mode: 0o700 });
    const server = await EmbeddedPostgres.start({ dataDirectory: join(home, 'data') });
    await server.stop();
    if (!isRoot) return;
    const user = chooseUser(join(root, 'none'));
    const own = join(root, 'own');
    mkdirSync(own, { mode: 0o700 });
    chownSync(own, user?.uid ?? 0, user?.gid ?? 0);
    const { child, url } = await startOwner(own, user);
    expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    child.kill('SIGKILL');
  });
});
