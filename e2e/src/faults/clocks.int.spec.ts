import { jest } from '@jest/globals';
import { blobFixture, buildContent, locationOf, openUpload, pushContent, RegistryClient, RegistryProcess, temporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from '../log-proof.js';
import { expectBlobCreated, expectSession } from '../protocol/expectations.js';

jest.setTimeout(120_000);
const HOUR = 3_600_000;
const repository = 'faults/clocks';

/** A program that sets the clock of its process `milliseconds` off, once it has run for a while: nothing but monotonic time stays as it was. */
function clockOff(milliseconds: number): string {
  const source = `const real = Date, started = real.now(), now = () => real.now() + (real.now() - started > 4000 ? ${milliseconds} : 0);
globalThis.Date = class extends real { constructor(...given) { if (given.length === 0) super(now()); else super(...given); } static now() { return now(); } };`;
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
}

describe('replicas whose clocks jump, one an hour ahead and one an hour back', () => {
  it('take uploads that the other one began, keep its claims, and the log is equal', async () => {
    const [database, folder] = await Promise.all([testDatabase(), temporaryFolder('clocks')]);
    const common = { databaseUrl: database.url, dataFolder: folder.path };
    const replicas = await Promise.all([HOUR, -HOUR].map((off) => RegistryProcess.start({ ...common, settings: { NODE_OPTIONS: clockOff(off), WAYBILL_UPLOADS_LEASE: '3s' } })));
    const [ahead, back] = replicas.map(({ baseUrl }) => new RegistryClient(baseUrl));
    try {
      if (ahead === undefined || back === undefined) throw new Error('Two registries should have started.');
      await jumped(replicas);
      for (const [one, other] of [[ahead, back], [back, ahead]] as const) {
        const blob = blobFixture({ random: 1_500_000 });
        const begun = await openUpload(one, repository);
        const first = await other.appendUpload(begun, blob.bytes.subarray(0, 800_000));
        expectSession(first, 202, repository, 800_000);
        // a writer at work keeps its claim, whatever the other one's clock says
        const writing = one.appendUpload(locationOf(first), slowly(blob.bytes.subarray(800_000)));
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        expect((await other.appendUpload(locationOf(first), blob.bytes.subarray(800_000), { 'Content-Range': `800000-${blob.size - 1}` })).status).toBe(416);
        const last = await writing;
        expectSession(last, 202, repository, blob.size);
        expectBlobCreated(await other.completeUpload(locationOf(last), blob.digest), repository, blob.digest);
        const image = buildContent({ blobs: { config: { random: 50 } }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
        await pushContent(one, repository, image, { latest: 'app' });
        expect((await other.getManifest(repository, 'latest')).header('Docker-Content-Digest')).toBe(image.manifest('app').digest);
      }
      const [skewed] = await database.database.sql<{ off: number }>("SELECT count(*)::int AS off FROM es.event WHERE abs(extract(epoch FROM clock_timestamp() - at)) > 600");
      expect(skewed?.off).toBe(0);
      await logIsEqual(() => database).check();
    } finally {
      ahead?.close();
      back?.close();
      await Promise.all(replicas.map((replica) => replica.stop()));
      await folder.remove();
      await database.close();
    }
  });
});

/** Waits until the clocks are off: the lines of the log tell. */
async function jumped(replicas: readonly RegistryProcess[]): Promise<void> {
  for (const { baseUrl, logs } of replicas.map((replica) => ({ baseUrl: replica.baseUrl, logs: () => replica.logs() }))) {
    for (let tries = 0; ; tries += 1) {
      await fetch(`${baseUrl}/v2/`);
      const time = /.*"time":"([^"]+)"/s.exec(logs())?.[1] ?? '';
      if (Math.abs(Date.parse(time) - Date.now()) > HOUR / 2) break;
      if (tries > 150) throw new Error('The clock of the registry never jumped.');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function* slowly(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) {
    await new Promise((resolve) => setTimeout(resolve, 600));
    yield bytes.subarray(at, at + 100_000);
  }
}
