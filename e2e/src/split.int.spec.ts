import { startSplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

let database: TestDatabase | undefined;

describeRegistry(
  'two replicas each of the services blobs and manifests behind a gateway',
  async () => {
    // Without a schema: all five processes migrate it at once.
    database = await testDatabase({ migrated: false });
    return startSplitRegistry({ databaseUrl: database.url });
  },
  { atEnd: logIsEqual(() => database) },
);
afterAll(async () => {
  await database?.close();
});
