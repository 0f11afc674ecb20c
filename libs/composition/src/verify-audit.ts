import { exportAudit, exportedJson, verifyAudit } from '@waybill/access';
import { PgDatabase } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { findDatabase } from './found-database.js';

/** Holds the chain of the audit against itself (verifyAudit). Finds the database as verify-log does. Exit 0 = whole, 1 = faults, 2 = could not look. */
export function verifyAuditCommand(config: Config): Promise<number> {
  return withDatabase(config, async (database) => {
    const { entries, droppedUpTo, head, faults } = await verifyAudit(database);
    const lines = [`${entries} entries${droppedUpTo > 0 ? `; those up to ${droppedUpTo} were dropped when their time was over` : ''}. Hash of the last one: ${head}`];
    if (faults.length === 0) lines.push('The chain of the audit is whole.');
    else lines.push('The audit was changed:', ...faults.map((fault) => `  ${fault}`));
    process.stdout.write(`${lines.join('\n')}\n`);
    return faults.length === 0 ? 0 : 1;
  });
}

/** Writes every entry as a line of JSON to standard output, oldest first: its text as it was hashed, and the hash. Exit 0, or 2 = could not look. */
export function exportAuditCommand(config: Config): Promise<number> {
  return withDatabase(config, async (database) => {
    for await (const line of exportAudit(database)) {
      if (!process.stdout.write(`${exportedJson(line)}\n`)) await new Promise((resolve) => process.stdout.once('drain', resolve));
    }
    return 0;
  });
}

async function withDatabase(config: Config, work: (database: PgDatabase) => Promise<number>): Promise<number> {
  const server = await findDatabase(config);
  const database = new PgDatabase({ url: server.url, poolSize: 1 });
  try {
    return await work(database);
  } finally {
    await database.close();
    await server.stop();
  }
}
