import { RegistryProcess } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

let database: TestDatabase | undefined;

describeRegistry(
  'apps/registry with blobs in memory',
  async () => {
    database = await testDatabase();
    return RegistryProcess.start({ databaseUrl: database.url, settings: { WAYBILL_STORAGE_DRIVER: 'memory' } });
  },
  { atEnd: logIsEqual(() => database) },
);
afterAll(async () => {
  await database?.close();
});
