import { loadConfig, openLogger, PgDatabase } from '@waybill/platform';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { openDatabaseServer, sessionsAtMost, warnOfTooFewSessions } from './database-server.js';

const { logger } = openLogger({ level: 'silent' });

describe('the sessions of a registry', () => {
  it('are those of every pool and listener, whatever the number of workers', async () => {
    expect(sessionsAtMost(await loadConfig({}))).toBe(11);
    expect(sessionsAtMost(await loadConfig({ WAYBILL_HTTP_WORKERS: '6', WAYBILL_DATABASE_POOL_SIZE: '40' }))).toBe(246);
  });

  it('all fit into the server that it starts, beside those of a start and of a person', async () => {
    const folder = await temporaryFolder('db');
    const config = await loadConfig({ WAYBILL_DATA_DIR: folder.path, WAYBILL_HTTP_WORKERS: '6' });
    const server = await openDatabaseServer(config, logger);
    const workers = Array.from({ length: config.http.workers }, () => new PgDatabase({ url: server.url, poolSize: config.database.poolSize }));
    const others = new PgDatabase({ url: server.url, poolSize: 10 });
    try {
      await Promise.all(workers.map((worker) => worker.listen('log', () => undefined)));
      const asleep = [...workers, others].flatMap((database) => Array.from({ length: 10 }, () => database.sql('SELECT pg_sleep(2)')));
      expect((await Promise.allSettled(asleep)).filter(({ status }) => status === 'rejected')).toEqual([]);
    } finally {
      await Promise.all([...workers, others].map((database) => database.close()));
      await server.stop();
      await folder.remove();
    }
  });

  it('cost a registry with the defaults few slots', async () => {
    const folder = await temporaryFolder('db');
    const server = await openDatabaseServer(await loadConfig({ WAYBILL_DATA_DIR: folder.path }), logger);
    const database = new PgDatabase({ url: server.url, poolSize: 1 });
    expect(await database.sql('SHOW max_connections')).toEqual([{ max_connections: '33' }]);
    await database.close();
    await server.stop();
    await folder.remove();
  });
});

describe('a database server of somebody else', () => {
  let test: TestDatabase;
  let folder: TemporaryFolder;
  beforeAll(async () => {
    [test, folder] = await Promise.all([testDatabase({ poolSize: 1 }), temporaryFolder('db')]);
  });
  afterAll(async () => {
    await test.close();
    await folder.remove();
  });

  /** What is logged for a registry with these settings. */
  async function warnings(settings: Readonly<Record<string, string>>): Promise<string[]> {
    const said: string[] = [];
    await warnOfTooFewSessions(await loadConfig({ DATABASE_URL: test.url, ...settings }), test.database, (text) => said.push(text));
    return said;
  }

  it('that allows fewer sessions than the registry may take is used, with a warning that says the numbers and what to do', async () => {
    expect(await warnings({ WAYBILL_HTTP_WORKERS: '20', WAYBILL_DATABASE_POOL_SIZE: '50' })).toEqual([
      expect.stringMatching(/^The database server allows us \d+ sessions, and this registry takes up to 1020: 20 worker\(s\) with database\.poolSize 50 and a listener each\. .*max_connections.*database\.poolSize.*http\.workers/),
    ]);
  });

  it('that limits the database or the role is warned of too', async () => {
    await test.database.sql(`ALTER DATABASE ${new URL(test.url).pathname.slice(1)} CONNECTION LIMIT 5`);
    expect(await warnings({})).toEqual([expect.stringContaining('allows us 5 sessions, and this registry takes up to 11')]);
    await test.database.sql(`ALTER DATABASE ${new URL(test.url).pathname.slice(1)} CONNECTION LIMIT -1`);
  });

  it('that allows enough is not warned of, nor is one of our own', async () => {
    expect(await warnings({})).toEqual([]);
    expect(await warnings({ DATABASE_URL: '', WAYBILL_HTTP_WORKERS: '64' })).toEqual([]);
  });
});
