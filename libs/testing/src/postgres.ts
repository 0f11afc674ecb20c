import { DependencyUnavailable } from '@waybill/oci';
import { migrate, PgDatabase, schemaFingerprint } from '@waybill/platform';
import { randomUUID } from 'node:crypto';
import { serverUrl } from './postgres-server.js';

export { stopServer } from './postgres-server.js';

/** A database of one spec file: migrated, empty, and nobody else's. */
export interface TestDatabase {
  readonly url: string;
  readonly database: PgDatabase;
  /** Closes `database` and drops the database with whatever sessions it still has. */
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  readonly poolSize?: number;
  /** False leaves the database without any schema. */
  readonly migrated?: boolean;
}

/** Makes a fresh database by cloning a migrated template; some 20 ms. Call it in beforeAll and `close` in afterAll. */
export async function testDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const server = await serverUrl();
  const name = `waybill_test_${randomUUID().replaceAll('-', '')}`;
  await withAdmin(server, async (admin) => {
    const template = options.migrated === false ? 'template0' : await ensureTemplate(server, admin);
    await admin.sql(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  });
  const url = databaseUrl(server, name);
  const database = new PgDatabase({ url, poolSize: options.poolSize ?? 20 });
  return {
    url,
    database,
    async close() {
      await database.close();
      await drop(server, name);
    },
  };
}

/** The connection string `server` with another database in it. */
export function databaseUrl(server: string, name: string): string {
  return server.replace(/^(\w+:\/\/[^/]*)\/[^?]*/, `$1/${name}`);
}

/** Made once per server and state of the migrations; specs that come at the same time wait for the first. */
async function ensureTemplate(server: string, admin: PgDatabase): Promise<string> {
  const template = `waybill_template_${schemaFingerprint()}`;
  const exists = async (): Promise<boolean> => (await admin.sql(`SELECT 1 FROM pg_database WHERE datname = $1`, [template])).length > 0;
  if (await exists()) return template;
  await admin.sql("SELECT pg_advisory_lock(hashtext('waybill test template'))");
  if (await exists()) return template;
  const unfinished = `${template}_unfinished`;
  await admin.sql(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
  await admin.sql(`CREATE DATABASE ${unfinished} TEMPLATE template0`);
  await migrate(databaseUrl(server, unfinished));
  await admin.sql(`ALTER DATABASE ${unfinished} RENAME TO ${template}`);
  return template;
}

async function drop(server: string, name: string): Promise<void> {
  try {
    await withAdmin(server, (admin) => admin.sql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  } catch (error) {
    // a spec that stops the server itself leaves nothing to drop
    if (!(error instanceof DependencyUnavailable)) throw error;
  }
}

/** One session, so that a session lock holds over several statements, without the product's time limits. */
async function withAdmin<T>(server: string, work: (admin: PgDatabase) => Promise<T>): Promise<T> {
  const url = `${server}${server.includes('?') ? '&' : '?'}options=${encodeURIComponent('-c statement_timeout=0 -c lock_timeout=0')}`;
  const admin = new PgDatabase({ url, poolSize: 1 });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}
