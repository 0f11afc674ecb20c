import { jest } from '@jest/globals';
import { blobFixture, buildContent, digestOf, freshBytes, locationOf, openUpload, pushContent, pushManifest, RegistryClient, RegistryProcess, temporaryFolder, type Content, type HttpAnswer } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { setTimeout as delay } from 'node:timers/promises';
import { logIsEqual } from './log-proof.js';
import { interrupted, resume } from './interrupted-upload.js';
import { expectBlobCreated, expectSession, expectStatus } from './protocol/expectations.js';

jest.setTimeout(120_000);

/** Short, so that a session whose writer was killed comes free within the test. */
const settings = { WAYBILL_UPLOADS_LEASE: '3s' };

type Pushed = Content<'config' | 'layer', 'app'>;

/** kill -9 at a bad moment, then the same data again. The long form is `npm run chaos`. */
describe('after kill -9', () => {
  it('an upload resumes from its exact offset, on the database that the registry supervises', async () => {
    const registry = await RegistryProcess.start({ settings });
    const client = new RegistryClient(registry.baseUrl);
    try {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const blob = blobFixture({ bytes: freshBytes(3 * 1024 * 1024), algorithm });
        const acknowledged = 1024 * 1024;
        const repository = `crash/${algorithm}`;
        const first = await client.appendUpload(await openUpload(client, repository), blob.bytes.subarray(0, acknowledged));
        expectSession(first, 202, repository, acknowledged);
        const location = client.resolve(locationOf(first));
        await interrupted(registry, location, blob.bytes.subarray(acknowledged));
        await registry.restart();
        const resumed = await resume(client, location, blob.bytes);
        expectSession(resumed, 202, repository, blob.size);
        expectBlobCreated(await client.completeUpload(locationOf(resumed), blob.digest), repository, blob.digest);
        expect(digestOf((await client.getBlob(repository, blob.digest)).body, algorithm)).toBe(blob.digest);
      }
    } finally {
      client.close();
      await registry.stop();
    }
  });

  it('of the database alone, uploads that began before it and after it complete', async () => {
    const registry = await RegistryProcess.start();
    const client = new RegistryClient(registry.baseUrl);
    const begin = async () => {
      const blob = blobFixture({ random: 500 });
      const answer = await client.appendUpload(await openUpload(client, 'crash/database'), blob.bytes);
      expectStatus(answer, 202);
      return { blob, location: locationOf(answer) };
    };
    try {
      // as many as make the registry reserve further keys, which must not be forgotten with the database's last moments
      const begun = [];
      for (let i = 0; i < 60; i += 1) begun.push(await begin());
      await registry.killPostgres();
      await registry.ready();
      for (const { blob, location } of begun) expectBlobCreated(await client.completeUpload(location, blob.digest), 'crash/database', blob.digest);
      for (let i = 0; i < 80; i += 1) {
        const { blob, location } = await begin();
        expectBlobCreated(await client.completeUpload(location, blob.digest), 'crash/database', blob.digest);
      }
    } finally {
      client.close();
      await registry.stop();
    }
  });

  it('an upload of a killed process goes on in another process on the same database and storage', async () => {
    const [database, folder] = await Promise.all([testDatabase(), temporaryFolder('two')]);
    const common = { databaseUrl: database.url, dataFolder: folder.path, settings };
    const registries = await Promise.all([RegistryProcess.start(common), RegistryProcess.start(common)]);
    const [one, two] = registries.map((registry) => new RegistryClient(registry.baseUrl));
    try {
      if (one === undefined || two === undefined) throw new Error('Two registries should have started.');
      const blob = blobFixture({ random: 2_000_000 });
      const location = continued(one, await one.appendUpload(await openUpload(one, 'crash/two'), blob.bytes.subarray(0, 700_000)));
      await interrupted(registries[0], location, blob.bytes.subarray(700_000));
      const resumed = await resume(two, location, blob.bytes);
      expectSession(resumed, 202, 'crash/two', blob.size);
      expectBlobCreated(await two.completeUpload(locationOf(resumed), blob.digest), 'crash/two', blob.digest);
      expect(digestOf((await two.getBlob('crash/two', blob.digest)).body)).toBe(blob.digest);
    } finally {
      one?.close();
      two?.close();
      await registries[1].stop();
      await folder.remove();
      await database.close();
    }
  });

  it('every push that was acknowledged pulls byte for byte, and the log is equal', async () => {
    const [database, folder] = await Promise.all([testDatabase(), temporaryFolder('kill')]);
    const registry = await RegistryProcess.start({ databaseUrl: database.url, dataFolder: folder.path, settings });
    let client = new RegistryClient(registry.baseUrl);
    const acknowledged: { readonly repository: string; readonly image: Pushed }[] = [];
    try {
      for (let round = 0; round < 3; round += 1) {
        const pushers = [0, 1, 2, 3].map((pusher) => pushUntilItFails(client, `crash/pusher${pusher}`, acknowledged));
        await delay(300 + 200 * round);
        await registry.kill();
        await Promise.all(pushers);
        client.close();
        await registry.restart();
        client = new RegistryClient(registry.baseUrl);
      }
      expect(acknowledged.length).toBeGreaterThan(3);
      for (const { repository, image } of acknowledged) {
        const manifest = image.manifest('app');
        expect((await client.getManifest(repository, manifest.digest)).body.equals(manifest.bytes)).toBe(true);
        for (const blob of image.blobs()) expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
      }
      await logIsEqual(() => database).check();
    } finally {
      client.close();
      await registry.stop();
      await folder.remove();
      await database.close();
    }
  });
});

function continued(of: RegistryClient, answer: HttpAnswer): string {
  expectStatus(answer, 202);
  return of.resolve(locationOf(answer));
}

async function pushUntilItFails(client: RegistryClient, repository: string, acknowledged: { readonly repository: string; readonly image: Pushed }[]): Promise<void> {
  for (;;) {
    const image: Pushed = buildContent({ blobs: { config: { random: 50 }, layer: { random: 5000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });
    try {
      await pushContent(client, repository, image);
      await pushManifest(client, repository, image.manifest('app'), 'latest');
    } catch {
      return;
    }
    acknowledged.push({ repository, image });
  }
}
