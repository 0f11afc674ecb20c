import { EmbeddedPostgres } from '@waybill/platform';
import type { Config, Logger } from '@waybill/platform';

/** The Postgres of a process: the one that the configuration names, or one of its own. */
export interface DatabaseServer {
  readonly url: string;
  /** Ends a server of our own; does nothing to another's. */
  stop(): Promise<void>;
}

export async function openDatabaseServer(config: Config, logger: Logger): Promise<DatabaseServer> {
  const url = config.database.url?.reveal();
  if (url !== undefined) return { url, stop: () => Promise.resolve() };
  const server = await EmbeddedPostgres.start({ dataDirectory: config.data.dir, onLog: (line) => logger.debug({ postgres: line }, 'postgres') });
  return { url: server.url, stop: () => server.stop() };
}
