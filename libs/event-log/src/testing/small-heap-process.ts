import { DependencyUnavailable } from '@waybill/oci';
import { PgDatabase } from '@waybill/platform';
import { SealPass } from '../postgres/seal-pass.js';
import { readSealed } from '../postgres/sealed-log.js';
import { verifyLog } from '../postgres/verify/verify.js';

// Folds what is pending, seals it, reads and folds it again: node --max-old-space-size=<MB> small-heap-process.js <database url>
const url = process.argv[2];
if (url === undefined) throw new Error('usage: small-heap-process <database url>');
const database = new PgDatabase({ url, poolSize: 2 });
const { pending } = await verifyLog(database);
const pass = new SealPass(database, 1000);
for (let more = true; more;) more = (await patient(() => pass.run())).more;
let read = 0;
for (let limit = 1000, found = 1; found > 0;) {
  const events = await patient(() => readSealed(database.sql, read, limit), () => (limit = Math.ceil(limit / 2)));
  found = events.length;
  read += found;
}
const { sealed } = await verifyLog(database);
await database.close();
process.stdout.write(`${JSON.stringify({ pending, read, sealed })}\n`);

/** As those who seal and read do: a statement that took too long is run again, smaller. */
async function patient<T>(work: () => Promise<T>, smaller: () => void = () => undefined): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof DependencyUnavailable) || tries === 20) throw error;
      smaller();
    }
  }
}
