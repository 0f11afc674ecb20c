import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { unreachable } from './database-unreachable.js';
import { mapPostgresError, sqlState } from './postgres-errors.js';

/** The recorded schema is newer than this program, or not ours. The message says what to do; nothing was changed. */
export class SchemaRefused extends Error {
  override readonly name = 'SchemaRefused';
}

/** A session of another role keeps set-up work from beginning. The message says which one, and what to do; nothing was changed. */
export class SetUpBlocked extends Error {
  override readonly name = 'SetUpBlocked';
}

/** One numbered file of libs/platform/migrations. Immutable once released: a change is a new file. */
interface SqlFile {
  /** As recorded: the file's name and, as TypeORM wants it, 13 digits that give the order. */
  readonly recordedName: string;
  readonly order: number;
  readonly url: URL;
}

/** Where the files are that every version of the schema is made of. */
export const MIGRATIONS = new URL('../../migrations/', import.meta.url);
const CONNECT_TIMEOUT_MS = 10_000;
const TABLE = 'waybill_migrations';
const ORDER_BASE = 1_700_000_000_000;
/** Any constant that no other program on this server uses for the same purpose: "waybill" in ASCII. */
const LOCK = '33601754003336300';
const HOLDER = `SELECT a.pid, a.usename AS role, a.usename = session_user AS ours FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = ${LOCK}
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())`;
const LOOK_MS = 100;
/** For how long a session of another role may hold the lock. One of our own has work to do, and is waited for. */
const STRANGER_MS = 15_000;

/**
 * Brings the schema of `url` up to this program's and returns the names of the files that were run, none where it was current. Each file
 * runs in a transaction; any number of processes may call it at once, because one advisory lock lets them in one by one.
 * Throws SchemaRefused, SetUpBlocked, DatabaseUnreachable where it gets no session, or DependencyUnavailable where it loses it.
 * @param strangerMs milliseconds for which a session of another role may keep it waiting
 */
export async function migrate(url: string, directory: URL = MIGRATIONS, strangerMs = STRANGER_MS): Promise<string[]> {
  const files = listFiles(directory);
  const client = await openSession(url);
  try {
    if ((await missing(client, files)).length === 0) return [];
    await enter(client, strangerMs);
    // another process may have done it while we waited
    if ((await missing(client, files)).length === 0) return [];
    return await run(url, files);
  } catch (error) {
    throw mapPostgresError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A session outside every pool, without the product's limits. Throws DatabaseUnreachable. */
export async function openSession(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'waybill-migrations', connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  await client.connect().catch((error: unknown) => {
    throw unreachable(client, error);
  });
  return client;
}

/** Alone on the database with other set-up work: neither a migration nor another such call runs meanwhile. Throws as migrate does. */
export async function withOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await openSession(url);
  try {
    await enter(client, STRANGER_MS);
    return await work(client);
  } catch (error) {
    throw mapPostgresError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Waits until nobody else does set-up work, for as long as that takes. Whoever may log in to the database may take an advisory lock, a service too, and
 * keep it: such a session is named, and not waited for.
 */
async function enter(client: pg.Client, strangerMs: number): Promise<void> {
  for (let patience = performance.now() + strangerMs; ; await delay(LOOK_MS)) {
    const { rows: [tried] } = await client.query<{ got: boolean }>(`SELECT pg_try_advisory_lock(${LOCK}) AS got`);
    if (tried?.got === true) return;
    const { rows: [holder] } = await client.query<{ pid: number; role: string; ours: boolean }>(HOLDER);
    if (holder === undefined || holder.ours) patience = performance.now() + strangerMs;
    else if (performance.now() > patience) {
      throw new SetUpBlocked(
        `The session ${holder.pid} of the role "${holder.role}" holds the lock of set-up work, which is for the owner of the schema alone; nothing was changed. `
        + `End it with SELECT pg_terminate_backend(${holder.pid}), find out why it took the lock, and start the set-up step again.`,
      );
    }
  }
}

/** The newest migration that this program knows. `order` is what the table of migrations has of it. */
export function newestMigration(directory: URL = MIGRATIONS): { readonly number: number; readonly order: number } {
  const order = Math.max(...listFiles(directory).map((file) => file.order));
  return { number: order - ORDER_BASE, order };
}

/** Changes whenever a migration does: names the template database of the tests. 16 hex digits. */
export function schemaFingerprint(directory: URL = MIGRATIONS): string {
  const hash = createHash('sha256');
  for (const file of listFiles(directory)) hash.update(file.recordedName).update(readFileSync(file.url));
  return hash.digest('hex').slice(0, 16);
}

function listFiles(directory: URL): SqlFile[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      const number = /^(\d{4})-[a-z0-9-]+\.sql$/.exec(name)?.[1];
      if (number === undefined) throw new Error(`The migration ${name} needs a name like 0007-noun.sql.`);
      const order = ORDER_BASE + Number(number);
      return { recordedName: `${name.slice(0, -'.sql'.length)}-${order}`, order, url: new URL(name, directory) };
    });
}

/** The files that are not recorded yet. Throws SchemaRefused when something is recorded that is no file of ours. */
async function missing(client: pg.Client, files: readonly SqlFile[]): Promise<SqlFile[]> {
  const recorded = new Set(await recordedNames(client));
  const unknown = [...recorded].filter((name) => !files.some((file) => file.recordedName === name));
  if (unknown.length > 0) {
    throw new SchemaRefused(
      `The database has a newer schema than this version of Waybill knows (${unknown.join(', ')}). Nothing was changed. Start the version that wrote it or a later one, or use another database.`,
    );
  }
  return files.filter((file) => !recorded.has(file.recordedName));
}

async function recordedNames(client: pg.Client): Promise<string[]> {
  try {
    const { rows } = await client.query<{ name: string }>(`SELECT name FROM public.${TABLE}`);
    return rows.map((row) => row.name);
  } catch (error) {
    if (sqlState(error) === '42P01') return [];
    throw error;
  }
}

async function run(url: string, files: readonly SqlFile[]): Promise<string[]> {
  // only where there is work: TypeORM costs 0.2 s and 15 MB that a server in operation should not pay
  await import('reflect-metadata');
  const { DataSource } = await import('typeorm');
  const source = new DataSource({
    type: 'postgres',
    extra: { connectionString: url, max: 1 },
    schema: 'public',
    migrationsTableName: TABLE,
    migrations: files.map(toMigration),
    migrationsTransactionMode: 'each',
    logger: 'debug',
    installExtensions: false,
    uuidExtension: 'pgcrypto',
  });
  await source.initialize();
  try {
    const done = await source.runMigrations();
    return done.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
}

/** TypeORM makes instances of classes, and reads the name of each. */
function toMigration(file: SqlFile): new () => MigrationInterface {
  return class implements MigrationInterface {
    readonly name = file.recordedName;

    async up(runner: QueryRunner): Promise<void> {
      try {
        await runner.query(readFileSync(file.url, 'utf8'));
      } catch (error) {
        // TypeORM's own error carries the whole file as text, the driver's says where in it
        const cause = typeof error === 'object' && error !== null && 'driverError' in error ? error.driverError : error;
        const position = typeof cause === 'object' && cause !== null && 'position' in cause ? `, at character ${String(cause.position)}` : '';
        throw new Error(`The migration ${file.recordedName} failed and was undone: ${String(cause)}${position}.`, { cause });
      }
    }

    /** Going back is a restore: events are never unwritten. */
    down(): Promise<void> {
      return Promise.reject(new Error(`${file.recordedName} cannot be undone; restore a backup instead.`));
    }
  };
}
