import { RegistryProcess } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

let database: TestDatabase | undefined;

describeRegistry(
  'apps/registry with filesystem storage',
  async () => {
    database = await testDatabase();
    return RegistryProcess.start({ databaseUrl: database.url });
  },
  { atEnd: logIsEqual(() => database) },
);
afterAll(async () => {
  await database?.close();
});
