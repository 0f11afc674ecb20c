import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { freshBytes, locationOf, openUpload, RegistryClient, RegistryProcess, temporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { expectError, expectSession } from './protocol/expectations.js';

/*
 * Times come by moving what waits for them: an upload lives a minute at the least, the reaper looks at it 26 minutes after its beginning, when
 * its URL can begin nothing any more, and its bytes are kept 15 minutes longer.
 */
const OVER = "UPDATE reg.upload_session SET expires_at = clock_timestamp() - interval '1 second' WHERE state = 'O'";
const LOOK = 'UPDATE reg.upload_session SET reap_after = clock_timestamp()';
const DUE = 'UPDATE reg.object SET due_at = clock_timestamp()';

describe('an upload whose time is over', () => {
  it('is unknown at once, and its bytes leave the storage with the next pass of the reaper', async () => {
    const [database, folder] = await Promise.all([testDatabase(), temporaryFolder('expiry')]);
    const registry = await RegistryProcess.start({ databaseUrl: database.url, dataFolder: folder.path, settings: { WAYBILL_UPLOADS_REAP_EVERY: '1s', WAYBILL_UPLOADS_EXPIRY: '60s' } });
    const client = new RegistryClient(registry.baseUrl);
    const files = async (): Promise<number> => (await readdir(`${folder.path}/blobs`, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).length;
    try {
      const first = await client.appendUpload(await openUpload(client, 'expiry/app'), freshBytes(300_000));
      const second = await client.appendUpload(locationOf(first), freshBytes(2_000_000));
      expectSession(second, 202, 'expiry/app', 2_300_000);
      const location = locationOf(second);
      expect(await files()).toBeGreaterThan(0);
      const [row] = await database.database.sql<{ seconds: number }>("SELECT extract(epoch FROM expires_at - clock_timestamp())::int AS seconds FROM reg.upload_session WHERE state = 'O'");
      expect(row?.seconds).toBeGreaterThan(30);
      expect(row?.seconds).toBeLessThanOrEqual(60);
      await delay(1500);
      expectSession(await client.uploadStatus(location), 204, 'expiry/app', 2_300_000);

      await database.database.sql(OVER);
      for (const answer of [await client.uploadStatus(location), await client.appendUpload(location, 'more'), await client.completeUpload(location, `sha256:${'0'.repeat(64)}`), await client.cancelUpload(location)]) {
        expectError(answer, 404, 'BLOB_UPLOAD_UNKNOWN');
      }
      expect(await files()).toBeGreaterThan(0);
      await database.database.sql(LOOK);
      for (let tries = 0; tries < 100 && (await files()) > 0; tries += 1) {
        await database.database.sql(DUE);
        await delay(100);
      }
      expect(await files()).toBe(0);
      expect(await database.database.sql('SELECT 1 FROM reg.upload_session UNION ALL SELECT 1 FROM reg.object')).toEqual([]);
    } finally {
      client.close();
      await registry.stop();
      await folder.remove();
      await database.close();
    }
  });
});
