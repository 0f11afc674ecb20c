import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verifyLog } from '@waybill/event-log/postgres';
import type { LogReport } from '@waybill/event-log/postgres';
import { DataDirectoryRefused, EmbeddedPostgres, loadConfig, PgDatabase } from '@waybill/platform';

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * log:verify: folds the log from its first event and compares the outcome with the state tables (verifyLog). Reads the configuration as the
 * registry does and asks the database of `database.url`, else the one in `data.dir`, which may be in use by a running registry. Exit 0 = equal, 1 =
 * differences, 2 = could not look.
 */
async function main(): Promise<number> {
  const server = await findServer();
  const database = new PgDatabase({ url: server.url, poolSize: 1 });
  try {
    const report = await verifyLog(database);
    process.stdout.write(describe(report));
    return report.differences.length === 0 ? 0 : 1;
  } finally {
    await database.close();
    await server.stop();
  }
}

async function findServer(): Promise<Server> {
  const config = await loadConfig(process.env);
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

function describe(report: LogReport): string {
  const rows = Object.entries(report.rows).map(([model, count]) => `${model} ${count}`).join(', ');
  const lines = [`${report.sealed + report.pending} events (${report.pending} without a number yet) come to: ${rows === '' ? 'nothing' : rows}.`];
  if (report.differences.length === 0) lines.push('The log and the state tables are equal.');
  else {
    lines.push(`The log and the state tables differ${report.truncated ? ', in these places and more' : ''}:`);
    for (const line of report.differences) lines.push(`  ${line}`);
  }
  return `${lines.join('\n')}\n`;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}${error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''}\n`);
  return 2;
});
