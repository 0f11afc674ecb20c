import { requireBinaries, startSplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { startNginx } from './load-balancer/nginx.js';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

const binaries = requireBinaries('nginx');
if (binaries === undefined) it.skip('nginx is missing', () => undefined);
else {
  let database: TestDatabase | undefined;
  describeRegistry(
    'nginx in front of a gateway and the service blobs',
    async () => {
      database = await testDatabase({ migrated: false });
      const registry = await startSplitRegistry({ databaseUrl: database.url, settings: { WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' } });
      const nginx = await startNginx(binaries.nginx, { gateway: new URL(registry.baseUrl).host, blobs: new URL(registry.blobs[0]?.baseUrl ?? '').host });
      return {
        baseUrl: nginx.baseUrl,
        logs: () => `${registry.logs()}\n--- nginx ---\n${nginx.logs()}`,
        stop: async () => {
          await nginx.stop();
          await registry.stop();
        },
      };
    },
    { atEnd: logIsEqual(() => database) },
  );
  afterAll(async () => {
    await database?.close();
  });
}
