import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataDirectoryRefused, EmbeddedPostgres } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import type { DatabaseServer } from './database-server.js';

/** For commands: the database of `database.url`, else the one in `data.dir`, whether a registry runs on it or not. It is never made. */
export async function findDatabase(config: Config): Promise<DatabaseServer> {
  const given = config.database.url?.reveal();
  if (given !== undefined) return { url: given, stop: () => Promise.resolve() };
  const dataDirectory = config.data.dir;
  if (!existsSync(join(dataDirectory, 'postgres'))) {
    throw new Error(`There is no database in ${dataDirectory}. Name its folder in data.dir (WAYBILL_DATA_DIR), or a server in database.url (WAYBILL_DATABASE_URL or DATABASE_URL).`);
  }
  try {
    return await EmbeddedPostgres.start({ dataDirectory });
  } catch (error) {
    const url = error instanceof DataDirectoryRefused ? runningServer(dataDirectory) : undefined;
    if (url === undefined) throw error;
    return { url, stop: () => Promise.resolve() };
  }
}

/** The server that a running registry has started on the folder, by what Postgres itself notes down: line 4 is the port, 5 the socket's folder. */
function runningServer(dataDirectory: string): string | undefined {
  const record = join(dataDirectory, 'postgres', 'postmaster.pid');
  if (!existsSync(record)) return undefined;
  const [, , , port, socketDirectory] = readFileSync(record, 'utf8').split('\n');
  if (port === undefined || socketDirectory === undefined || socketDirectory === '') return undefined;
  // the note of a server that is gone must not hide why the folder was refused
  if (!existsSync(join(socketDirectory, `.s.PGSQL.${port.trim()}`))) return undefined;
  return `postgresql://waybill@localhost/postgres?host=${encodeURIComponent(socketDirectory)}&port=${port.trim()}`;
}
