import { EmbeddedPostgres } from '@waybill/platform';
import type { Config, Database, Logger } from '@waybill/platform';

/** The Postgres of a process: the one that the configuration names, or one of its own. */
export interface DatabaseServer {
  readonly url: string;
  /** Ends a server of our own; does nothing to another's. */
  stop(): Promise<void>;
}

/**
 * Of a server of our own, beside the registry's: the migrations of workers that start at once, `npm run log:verify`, a person with psql, sessions
 * of killed processes that the server has not noticed yet. A slot costs the server 32 KB (measured), a session 2 to 4 MB.
 */
const SPARE_SESSIONS = 20;
const MIGRATION_SESSIONS = 2;

/** Sessions of all workers together: a pool and a listener each. */
export function sessionsAtMost({ http, database }: Config): number {
  return http.workers * (database.poolSize + 1);
}

export async function openDatabaseServer(config: Config, logger: Logger): Promise<DatabaseServer> {
  const url = config.database.url?.reveal();
  if (url !== undefined) return { url, stop: () => Promise.resolve() };
  const server = await EmbeddedPostgres.start({
    dataDirectory: config.data.dir,
    onLog: (line) => logger.debug({ postgres: line }, 'postgres'),
    settings: { max_connections: sessionsAtMost(config) + config.http.workers * MIGRATION_SESSIONS + SPARE_SESSIONS },
  });
  return { url: server.url, stop: () => server.stop() };
}

/** What the server, the database and the role allow to somebody who is no superuser; -1 is no limit. */
const LIMITS = `
  SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true)::int, 0) AS server,
         (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database,
         (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role`;

/** Only a warning: how many of the sessions others leave to us, nobody knows, and a registry under light load needs few. */
export async function warnOfTooFewSessions(config: Config, database: Database, warn: (text: string) => void): Promise<void> {
  if (config.database.url === undefined) return;
  const [limits] = await database.sql<{ server: number; database: number; role: number }>(LIMITS);
  if (limits === undefined) return;
  const allowed = Math.min(...Object.values(limits).filter((limit) => limit >= 0));
  const wanted = sessionsAtMost(config);
  if (allowed >= wanted) return;
  warn(
    `The database server allows us ${allowed} sessions, and this registry takes up to ${wanted}: ${config.http.workers} worker(s) with database.poolSize ${config.database.poolSize} and a listener each. ` +
      'Requests that find none free get a 503. Raise max_connections of the server (or the limit of the database or role), or lower database.poolSize or http.workers.',
  );
}
