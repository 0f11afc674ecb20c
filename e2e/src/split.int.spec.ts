import { startSplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

let database: TestDatabase | undefined;

describeRegistry(
  'two replicas each of the services blobs and manifests behind a gateway, each with the rights of its own role',
  async () => {
    // Without a schema: the set-up step makes it, and the services log in as the roles that it makes.
    database = await testDatabase({ migrated: false });
    return startSplitRegistry({ databaseUrl: database.url });
  },
  { atEnd: logIsEqual(() => database) },
);
afterAll(async () => {
  await database?.close();
});
