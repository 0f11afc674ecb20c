import { requireBinaries, startSplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { startHaproxy } from './load-balancer/haproxy.js';
import { NameServer } from './load-balancer/name-server.js';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

const binaries = requireBinaries('haproxy');
if (binaries === undefined) it.skip('haproxy is missing', () => undefined);
else {
  let database: TestDatabase | undefined;
  describeRegistry(
    'HAProxy in front of a gateway and the service blobs',
    async () => {
      database = await testDatabase({ migrated: false });
      const registry = await startSplitRegistry({ databaseUrl: database.url, settings: { WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' } });
      const names = await NameServer.start();
      names.set('service', ['127.0.0.1']);
      const at = (baseUrl = ''): string => `service:${new URL(baseUrl).port}`;
      const haproxy = await startHaproxy(binaries.haproxy, { gateway: at(registry.baseUrl), blobs: at(registry.blobs[0]?.baseUrl), nameServer: names.address });
      return {
        baseUrl: haproxy.baseUrl,
        logs: () => `${registry.logs()}\n--- haproxy ---\n${haproxy.logs()}`,
        stop: async () => {
          await haproxy.stop();
          await names.stop();
          await registry.stop();
        },
      };
    },
    { atEnd: logIsEqual(() => database), chunksWin: true },
  );
  afterAll(async () => {
    await database?.close();
  });
}
