import { jest } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { PgDatabase } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate, schemaFingerprint, SchemaRefused } from './migrations.js';

jest.setTimeout(30_000);
const root = mkdtempSync(join(tmpdir(), 'wb-migrations-'));
const directory = pathToFileURL(`${root}/`);
const moduleUrl = new URL('./migrations.js', import.meta.url).href;
let server: EmbeddedPostgres;
let database: PgDatabase;

const write = (name: string, text: string): void => writeFileSync(new URL(name, directory), text);

function runInProcess(): ChildProcess {
  const script = `const { migrate } = await import(${JSON.stringify(moduleUrl)});
    console.log((await migrate(${JSON.stringify(server.url)}, new URL(${JSON.stringify(directory.href)}))).length);`;
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } });
}

describe('the migrations', () => {
  beforeAll(async () => {
    const hba = join(root, 'hba.conf');
    writeFileSync(hba, 'local all all trust\n', { mode: 0o644 });
    server = await EmbeddedPostgres.start({ dataDirectory: join(root, 'data'), settings: { hba_file: hba } });
    database = new PgDatabase({ url: server.url });
    write('0001-first.sql', 'CREATE SCHEMA first; CREATE TABLE first.ran (id int); INSERT INTO first.ran VALUES (1);');
    write('0002-second.sql', 'SELECT pg_sleep(0.2); INSERT INTO first.ran VALUES (2);');
  });

  afterAll(async () => {
    await database.close();
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  });

  it('run once each and in order when ten processes start at the same time', async () => {
    const processes = Array.from({ length: 10 }, runInProcess);
    const outcomes = await Promise.all(processes.map(async (child) => {
      let said = '';
      child.stdout?.setEncoding('utf8').on('data', (text: string) => { said += text; });
      const [code] = await once(child, 'exit');
      return `${String(code)} ${said.trim()}`;
    }));
    expect(outcomes.sort()).toEqual([...Array.from({ length: 9 }, () => '0 0'), '0 2']);
    expect(await database.sql('SELECT id FROM first.ran')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('do nothing, and load nothing, where the schema is current', async () => {
    const began = performance.now();
    expect(await migrate(server.url, directory)).toEqual([]);
    expect(performance.now() - began).toBeLessThan(200);
  });

  it('leave no trace of a file that fails, and say where it failed', async () => {
    write('0003-broken.sql', 'CREATE TABLE first.half (id int);\nSELECT nonsense FROM nowhere;');
    await expect(migrate(server.url, directory)).rejects.toThrow(/0003-broken.* failed and was undone: .*"nowhere" does not exist, at character \d+/);
    expect(await database.sql("SELECT to_regclass('first.half') AS half")).toEqual([{ half: null }]);
    write('0003-broken.sql', 'CREATE TABLE first.half (id int);');
    expect(await migrate(server.url, directory)).toHaveLength(1);
  });

  it('refuse a database that a later version wrote', async () => {
    await database.sql("INSERT INTO public.waybill_migrations (timestamp, name) VALUES (1700000000099, '0099-later-1700000000099')");
    await expect(migrate(server.url, directory)).rejects.toThrow(SchemaRefused);
    await expect(migrate(server.url, directory)).rejects.toThrow('newer schema than this version of Waybill knows (0099-later');
    await database.sql("DELETE FROM public.waybill_migrations WHERE name LIKE '0099%'");
  });

  it('wait for set-up work of their own role, and name the session of another role that keeps them waiting', async () => {
    write('0004-fourth.sql', 'INSERT INTO first.ran VALUES (4);');
    await database.sql("CREATE ROLE stranger LOGIN");
    const hold = async (url: string): Promise<pg.Client> => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await client.query('SELECT pg_advisory_lock(33601754003336300)');
      return client;
    };
    const stranger = await hold(server.url.replace('waybill@', 'stranger@'));
    const { rows: [session] } = await stranger.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await expect(migrate(server.url, directory, 300)).rejects.toThrow(`The session ${session?.pid} of the role "stranger" holds the lock of set-up work`);
    await stranger.end();
    const own = await hold(server.url);
    const migrated = migrate(server.url, directory, 300);
    await sleep(1_000);
    await own.end();
    expect(await migrated).toHaveLength(1);
  });

  it('name the place and the reason where they get no session, never the user or the password', async () => {
    const message = (url: string): Promise<string> => migrate(url, directory).then(() => '', String);
    const messages = await Promise.all([
      message('postgresql://ann:hush@127.0.0.1:1/d'), message('postgresql://ann:hush@[::1]:1/d'), message('postgresql://ann:hush@host.invalid/d'),
      message('postgresql://ann:hush@/d?host=/nowhere&port=77'), message(server.url.replace('waybill@', 'ann:hush@')), message(server.url.replace('/postgres?', '/nothing?')),
    ]);
    expect(messages).toEqual([
      expect.stringContaining('DatabaseUnreachable: The database server at 127.0.0.1:1 gives no session: nothing listens there (ECONNREFUSED). Nothing was changed.'),
      expect.stringContaining('[::1]:1'),
      expect.stringMatching(/host\.invalid:5432 gives no session: the name of the host .* \((ENOTFOUND|EAI_AGAIN)\)/),
      expect.stringContaining('/nowhere/.s.PGSQL.77 gives no session: there is no such socket (ENOENT)'),
      expect.stringContaining('it does not let this user in (28000)'),
      expect.stringContaining('database "nothing" does not exist'),
    ]);
    expect(messages.join()).not.toMatch(/ann|hush/);
  });

  it('have a fingerprint that changes with any of them', () => {
    const before = schemaFingerprint(directory);
    write('0005-more.sql', 'SELECT 1;');
    expect(schemaFingerprint(directory)).not.toBe(before);
  });
});
