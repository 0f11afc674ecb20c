import { startSplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

let database: TestDatabase | undefined;

describeRegistry(
  'the roles blobs and manifests as two processes behind a path router',
  async () => {
    // Without a schema: both processes migrate it at once.
    database = await testDatabase({ migrated: false });
    return startSplitRegistry({ databaseUrl: database.url });
  },
  { atEnd: logIsEqual(() => database) },
);
afterAll(async () => {
  await database?.close();
});
