import { jest } from '@jest/globals';
import { readdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { blobFixture, buildContent, openUpload, pushBlob, RegistryClient, RegistryProcess, temporaryFolder, type BlobFixture, type HttpAnswer, type TemporaryFolder } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from '../log-proof.js';
import { expectBlobCreated, expectStatus } from '../protocol/expectations.js';

jest.setTimeout(120_000);

let database: TestDatabase;
let folder: TemporaryFolder;
/** On the same data as the processes that kill themselves. */
let healthy: RegistryProcess;
let client: RegistryClient;
let repository = '';
let tests = 0;

beforeAll(async () => {
  [database, folder] = await Promise.all([testDatabase(), temporaryFolder('failpoint')]);
  healthy = await RegistryProcess.start({ databaseUrl: database.url, dataFolder: folder.path });
  client = new RegistryClient(healthy.baseUrl);
});
beforeEach(() => (repository = `failpoints/app${(tests += 1)}`));
afterAll(async () => {
  client.close();
  await healthy.stop();
  await folder.remove();
  await database.close();
});

/** Runs `work` with a client of a process that kills itself at the failpoint; then the log has to be equal. */
async function doomed(failpoint: string, work: (doomedClient: RegistryClient, process: RegistryProcess) => Promise<void>): Promise<void> {
  const process = await RegistryProcess.start({ databaseUrl: database.url, dataFolder: folder.path, settings: { WAYBILL_FAILPOINT: failpoint } });
  const doomedClient = new RegistryClient(process.baseUrl);
  try {
    await work(doomedClient, process);
    await logIsEqual(() => database).check();
  } finally {
    doomedClient.close();
    await process.kill();
  }
}

/** Events of a type about this test's repository, with a number or without. */
async function events(type: string): Promise<number> {
  return (await database.database.sql("SELECT 1 FROM es.event WHERE type = $1 AND meta->>'repo_name' = $2", [type, repository])).length;
}

/** The connection has to end without an answer. */
async function dies(ask: Promise<HttpAnswer>): Promise<void> {
  await expect(ask).rejects.toThrow(/hang up|ECONNRESET|ECONNREFUSED/);
}

describe('kill -9 of', () => {
  it('blobs after the object is written and before the commit: nothing happened, the bytes have an intent, and the client pushes again elsewhere', async () => {
    await doomed('blobs.after_object_write:kill', async (doomedClient) => {
      const blob = blobFixture({ random: 300_000 });
      const location = await openUpload(client, repository);
      await dies(doomedClient.completeUpload(location, blob.digest, { body: blob.bytes }));
      expectStatus(await client.headBlob(repository, blob.digest), 404);
      expect(await events('BlobUploaded')).toBe(0);
      const objects = (await readdir(`${folder.path}/blobs`, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      const intents = await database.database.sql<{ key: string }>('SELECT storage_key AS key FROM reg.object UNION SELECT writing_key FROM reg.upload_session WHERE writing_key IS NOT NULL UNION SELECT storage_key FROM reg.blob');
      const known = new Set(intents.map(({ key }) => key));
      expect(objects.map(({ name }) => name).filter((name) => /^[0-9a-f-]{36}$/.test(name) && !known.has(name))).toEqual([]);
      const again = await resumed(location, blob);
      expectBlobCreated(again, repository, blob.digest);
      expect(await events('BlobUploaded')).toBe(1);
    });
  });

  it('blobs after the commit and before the answer: the client asks again, gets it, and there is one event', async () => {
    await doomed('blobs.after_commit:kill', async (doomedClient) => {
      const blob = blobFixture({ random: 1000 });
      const location = await openUpload(client, repository);
      await dies(doomedClient.completeUpload(location, blob.digest, { body: blob.bytes }));
      expectBlobCreated(await client.completeUpload(location, blob.digest, { body: blob.bytes }), repository, blob.digest);
      expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
      expect(await events('BlobUploaded')).toBe(1);
    });
  });

  it.each([['before', 'manifests.before_commit', 0], ['after', 'manifests.after_commit', 1]] as const)('manifests %s the commit: a push that is repeated has the same digest and one event', async (_when, failpoint, committed) => {
    await doomed(`${failpoint}:kill`, async (doomedClient) => {
      const image = buildContent({ blobs: { config: { random: 50 } }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
      await pushBlob(client, repository, image.blob('config'));
      const { digest, bytes, mediaType } = image.manifest('app');
      await dies(doomedClient.putManifest(repository, 'latest', bytes, mediaType));
      expect([await events('ManifestPushed'), await events('TagMoved')]).toEqual([committed, committed]);
      expectStatus(await client.getManifest(repository, 'latest'), committed === 0 ? 404 : 200);
      expect((await client.putManifest(repository, 'latest', bytes, mediaType)).header('Docker-Content-Digest')).toBe(digest);
      expect([await events('ManifestPushed'), await events('TagMoved')]).toEqual([1, 1]);
    });
  });

  it.each(['sealer.before_commit', 'sealer.after_commit'])('the sealer at %s: another one gives every event its number, once', async (failpoint) => {
    await doomed(`${failpoint}:kill:2`, async (_client, process) => {
      // the doomed one has to get its turn
      await database.database.sql("UPDATE es.consumer SET owner = NULL, lease_until = NULL WHERE name = 'es.sealer'");
      const ended = async (): Promise<boolean> => fetch(`${process.baseUrl}/v2/`).then(() => false, () => true);
      for (const end = performance.now() + 30_000; !(await ended()) && performance.now() < end; await delay(100)) {
        await pushBlob(client, repository, blobFixture({ random: 100 }));
        if (performance.now() > end - 15_000) await database.database.sql("UPDATE es.consumer SET owner = NULL, lease_until = NULL WHERE name = 'es.sealer'");
      }
      expect(await ended()).toBe(true);
      await pushBlob(client, repository, blobFixture({ random: 100 }));
      const pending = async (): Promise<number> => (await database.database.sql('SELECT 1 FROM es.pending')).length;
      for (const end = performance.now() + 20_000; (await pending()) > 0 && performance.now() < end; ) await delay(100);
      const [log] = await database.database.sql<{ events: number; last: number; distinct: number }>('SELECT (SELECT count(*)::int FROM es.event) AS events, max(seq)::int AS last, count(DISTINCT gpos)::int AS distinct FROM es.log');
      expect(log).toEqual({ events: log?.events, last: log?.events, distinct: log?.events });
    });
  });
});

/** The PUT once more, again while the dead one's claim holds the session. */
async function resumed(location: string, blob: BlobFixture): Promise<HttpAnswer> {
  for (const end = performance.now() + 20_000; ; await delay(250)) {
    const answer = await client.completeUpload(location, blob.digest, { body: blob.bytes });
    if (answer.status !== 416 || performance.now() > end) return answer;
  }
}
