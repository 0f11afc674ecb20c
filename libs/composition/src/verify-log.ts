import { verifyLog } from '@waybill/event-log/postgres';
import type { LogReport } from '@waybill/event-log/postgres';
import { PgDatabase } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { findDatabase } from './found-database.js';

/**
 * Folds the log from its first event and compares the outcome with the state tables (verifyLog). Reads the configuration as the
 * registry does and asks the database of `database.url`, else the one in `data.dir`, which may be in use by a running registry. Exit 0 = equal, 1 =
 * differences, 2 = could not look.
 */
export async function verifyLogCommand(config: Config): Promise<number> {
  const server = await findDatabase(config);
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
