import { jest } from '@jest/globals';
import { DependencyUnavailable } from '@waybill/oci';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PgDatabase } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { sqlState } from './postgres-errors.js';

jest.setTimeout(30_000);
const directory = mkdtempSync(join(tmpdir(), 'wb-database-'));
let server: EmbeddedPostgres;
let database: PgDatabase;

async function until(condition: () => boolean | Promise<boolean>, patience = 10_000): Promise<void> {
  for (const end = Date.now() + patience; !(await condition()); await sleep(20)) {
    if (Date.now() > end) throw new Error('the condition did not come true');
  }
}

const rejection = (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined, (error: unknown) => error);

describe('PgDatabase', () => {
  beforeAll(async () => {
    server = await EmbeddedPostgres.start({ dataDirectory: directory });
    database = new PgDatabase({ url: server.url, poolSize: 4 });
    await database.sql('CREATE TABLE note (value text PRIMARY KEY)');
  });

  afterAll(async () => {
    await database.close();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('prepares a named statement once per session', async () => {
    const statement = { name: 'spec.double', text: 'SELECT $1::int * 2 AS double' };
    expect(await Promise.all([1, 2, 3].map((value) => database.sql(statement, [value])))).toEqual([[{ double: 2 }], [{ double: 4 }], [{ double: 6 }]]);
    const [row] = await database.sql<{ prepared: number }>("SELECT count(*)::int AS prepared FROM pg_prepared_statements WHERE name = 'spec.double'");
    expect(row?.prepared).toBe(1);
  });

  it('bounds what hangs, plans each statement once, and leaves durability as it is', async () => {
    const names = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'plan_cache_mode', 'synchronous_commit'];
    const rows = await database.sql<{ value: string }>('SELECT current_setting(name) AS value FROM unnest($1::text[]) name', [names]);
    expect(rows.map((row) => row.value)).toEqual(['5s', '2s', '10s', 'force_generic_plan', 'on']);
  });

  it('lets the connection string override its settings', async () => {
    const other = new PgDatabase({ url: `${server.url}&options=${encodeURIComponent('-c lock_timeout=7s')}`, poolSize: 1 });
    const [row] = await other.sql<{ lock: string; plan: string }>("SELECT current_setting('lock_timeout') AS lock, current_setting('plan_cache_mode') AS plan");
    await other.close();
    expect(row).toEqual({ lock: '7s', plan: 'force_generic_plan' });
  });

  it('commits what a transaction did, and nothing of one that rejects', async () => {
    await database.transaction((sql) => sql("INSERT INTO note VALUES ('kept')"));
    await expect(database.transaction(async (sql) => {
      await sql("INSERT INTO note VALUES ('gone')");
      throw new Error('changed my mind');
    })).rejects.toThrow('changed my mind');
    expect(await database.sql('SELECT value FROM note')).toEqual([{ value: 'kept' }]);
  });

  it('does not call a transaction committed whose failure was swallowed', async () => {
    await expect(database.transaction(async (sql) => {
      await sql("INSERT INTO note VALUES ('kept')").catch(() => undefined);
    })).rejects.toThrow('was rolled back');
  });

  it('passes the errors of statements on, with their state', async () => {
    const error = await rejection(database.sql("INSERT INTO note VALUES ('kept')"));
    expect(sqlState(error)).toBe('23505');
    expect(sqlState(new Error('other'))).toBeUndefined();
  });

  it('says DependencyUnavailable for a lock that stays taken, a lost race and a deadlock, with their state, and keeps the session', async () => {
    const one = new PgDatabase({ url: `${server.url}&options=${encodeURIComponent('-c lock_timeout=50')}`, poolSize: 1 });
    const session = async (): Promise<number | undefined> => (await one.sql<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]?.pid;
    const first = await session();
    const blocked = await database.transaction(async (sql) => {
      await sql('SELECT pg_advisory_xact_lock(8)');
      return [await rejection(one.sql('SELECT pg_advisory_xact_lock(8)')), await rejection(one.transaction((inner) => inner('SELECT pg_advisory_xact_lock(8)')))];
    });
    const raised = await Promise.all(['40001', '40P01'].flatMap((state) => {
      const text = `DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '${state}'; END $$`;
      return [rejection(one.sql(text)), rejection(one.transaction((sql) => sql(text)))];
    }));
    expect([...blocked, ...raised].map((error) => [error instanceof DependencyUnavailable, sqlState(error)])).toEqual(['55P03', '55P03', '40001', '40001', '40P01', '40P01'].map((state) => [true, state]));
    expect(await session()).toBe(first);
    await one.close();
  });

  it('never opens more sessions than it may, and serves every caller', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, value) => database.sql<{ value: number }>('SELECT $1::int AS value, pg_sleep(0.005)', [value])));
    expect(answers.map(([row]) => row?.value)).toEqual(Array.from({ length: 50 }, (_, value) => value));
    expect(database.stats.open).toBeLessThanOrEqual(4);
    expect(database.stats).toMatchObject({ waiting: 0, idle: database.stats.open });
  });

  it('says DependencyUnavailable for a statement that takes too long, an ended session and a server without free slots', async () => {
    const impatient = new PgDatabase({ url: `${server.url}&options=${encodeURIComponent('-c statement_timeout=50')}` });
    expect(await rejection(impatient.sql('SELECT pg_sleep(2)'))).toBeInstanceOf(DependencyUnavailable);
    expect(await impatient.sql('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await impatient.close();

    const victim = database.sql('SELECT pg_sleep(2) /* victim */');
    await until(async () => (await database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* victim */' AND pid <> pg_backend_pid()")).length > 0);
    expect(await rejection(victim)).toBeInstanceOf(DependencyUnavailable);

    const greedy = Array.from({ length: 70 }, () => new PgDatabase({ url: server.url, poolSize: 1 }));
    const errors = (await Promise.all(greedy.map((one) => rejection(one.sql('SELECT pg_sleep(2)'))))).filter((error) => error !== undefined);
    await Promise.all(greedy.map((one) => one.close()));
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toBeInstanceOf(DependencyUnavailable);
  });

  it('says DependencyUnavailable while the server is away under load, keeps what it acknowledged, and recovers by itself', async () => {
    const acknowledged: string[] = [];
    const errors: unknown[] = [];
    let going = true;
    let serial = 0;
    const load = Array.from({ length: 8 }, async () => {
      while (going) {
        const value = `load ${serial++}`;
        const error = await rejection(database.sql({ name: 'spec.note', text: 'INSERT INTO note VALUES ($1)' }, [value]));
        if (error === undefined) acknowledged.push(value);
        else errors.push(error);
      }
    });
    await until(() => acknowledged.length > 100);
    await server.stop();
    await until(() => errors.length > 8);
    server = await EmbeddedPostgres.start({ dataDirectory: directory });
    const before = acknowledged.length;
    await until(() => acknowledged.length > before + 100);
    going = false;
    await Promise.all(load);
    expect(errors.filter((error) => !(error instanceof DependencyUnavailable))).toEqual([]);
    const [row] = await database.sql<{ missing: number }>('SELECT count(*)::int AS missing FROM unnest($1::text[]) a(value) WHERE NOT EXISTS (SELECT 1 FROM note n WHERE n.value = a.value)', [acknowledged]);
    expect(row?.missing).toBe(0);
  });

  it('waits for the embedded server to come back after its crash, without an error where nothing was sent', async () => {
    const fresh = new PgDatabase({ url: server.url });
    const killed = server.pid ?? 0;
    process.kill(killed, 'SIGKILL');
    await until(() => server.pid !== killed);
    expect(await fresh.sql('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await fresh.close();
  });

  it('hears notifications, and says after a lost connection that some may have been missed', async () => {
    const heard: string[] = [];
    await until(async () => (await rejection(database.sql('SELECT 1'))) === undefined);
    const end = await database.listen('spec', (payload) => heard.push(payload));
    await database.sql("SELECT pg_notify('spec', 'one')");
    await until(() => heard.length === 1);
    await database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
    await until(() => heard.length === 2);
    await database.sql("SELECT pg_notify('spec', 'two')");
    await until(() => heard.length === 3);
    await end();
    expect(heard).toEqual(['one', '', 'two']);
  });

  it('finishes running statements before it closes, and refuses new ones', async () => {
    const closing = new PgDatabase({ url: server.url });
    const running = closing.sql('SELECT 1 AS one, pg_sleep(0.1)');
    await sleep(50);
    await closing.close();
    expect(await running).toMatchObject([{ one: 1 }]);
    expect(await rejection(closing.sql('SELECT 1'))).toBeInstanceOf(DependencyUnavailable);
  });
});
