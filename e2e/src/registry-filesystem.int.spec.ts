import { PgDatabase } from '@waybill/platform';
import { RegistryProcess } from '@waybill/testing';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

let registry: RegistryProcess | undefined;
let database: PgDatabase | undefined;
const { promise, check } = logIsEqual(() => database && { database });

// as `npm start` runs it: alone on a Postgres of its own
describeRegistry('apps/registry with filesystem storage', async () => (registry = await RegistryProcess.start()), {
  atEnd: {
    promise,
    check: async () => {
      database = new PgDatabase({ url: (await registry?.databaseUrl()) ?? '', poolSize: 2 });
      try {
        await check();
      } finally {
        await database.close();
      }
    },
  },
});
