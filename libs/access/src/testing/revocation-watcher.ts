import { PgDatabase } from '@waybill/platform';
import { LogRevocations } from '../log-revocations.js';

// A process that verifies tokens, as blobs or manifests do: says when the principals of its arguments have lost epoch 0.
const [url = '', ...principals] = process.argv.slice(2);
const feed = new LogRevocations(new PgDatabase({ url, poolSize: 1 }), { horizon: 900, failed: (error) => process.stderr.write(`${String(error)}\n`) });
await feed.start();
process.stdout.write('watching\n');
const left = new Set(principals);
setInterval(() => {
  for (const principal of left) {
    if (!feed.isRevoked({ principal, kind: 'user', epoch: 0 })) continue;
    left.delete(principal);
    process.stdout.write(`revoked ${principal} ${Date.now()}\n`);
  }
}, 5);
