import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { pushContent, RegistryClient, RegistryProcess, startSplitRegistry, type RegistryUnderTest } from '@waybill/testing';
import { logIsEqual } from '../log-proof.js';
import { postgresBench, type PostgresBench } from './postgres-bench.js';
import { PushLoad } from './push-load.js';

jest.setTimeout(180_000);
/** Longer than a session waits for an answer. */
const AWAY_MS = 12_500;
/** What a request may take at most while the database does not answer: a session's wait of 7 s, and a new session's of 3 s. */
const LONGEST_MS = 11_500;
const BACK_MS = 8_000;

interface Topology {
  readonly name: string;
  readonly start: (databaseUrl: string) => Promise<RegistryUnderTest>;
  readonly silence: (postgres: PostgresBench) => () => void;
}

const topologies: readonly Topology[] = [
  {
    name: 'one process, whose packets to the server are lost',
    start: (databaseUrl) => RegistryProcess.start({ databaseUrl }),
    silence: ({ proxy }) => {
      proxy.blackhole();
      return () => proxy.heal();
    },
  },
  {
    name: 'services behind a gateway, with a server that hangs',
    start: (databaseUrl) => startSplitRegistry({ databaseUrl }),
    silence: (postgres) => postgres.freeze(),
  },
];

/** Restarts in both modes, then a server that says nothing: under load of pushes and pulls. */
describe.each(topologies)('Postgres goes away under $name', ({ start, silence }) => {
  it('answers are 503 within a bounded time and never 404, 401 or 400, all works again by itself, and no acknowledged push is lost', async () => {
    const postgres = await postgresBench();
    const registry = await start(postgres.url);
    const client = new RegistryClient(registry.baseUrl);
    const readiness = async (): Promise<number> => (await fetch(`${registry.baseUrl}/readyz`)).status;
    const known = PushLoad.image();
    await pushContent(client, 'load/known', known, { latest: 'app' });
    const load = new PushLoad(registry.baseUrl, known);
    const back: number[] = [];
    try {
      await load.works();
      for (const mode of ['fast', 'immediate'] as const) {
        await postgres.restart(mode);
        back.push(await load.works());
      }
      const hear = silence(postgres);
      const silent = performance.now();
      const until = silent + AWAY_MS;
      let told = false;
      while (performance.now() < until) {
        told ||= (await readiness()) === 503;
        await delay(250);
      }
      // nobody waits for the server to come back
      expect(load.longestWait).toBeLessThan(LONGEST_MS);
      expect(load.observed.filter(({ status, at }) => status === 503 && at > silent + 1_000).length).toBeGreaterThan(2);
      hear();
      back.push(await load.works());
      for (let tries = 0; (await readiness()) !== 200 && tries < 50; tries += 1) await delay(100);
      expect([told, await readiness()]).toEqual([true, 200]);
    } finally {
      await load.stop();
    }
    const refused = load.observed.filter(({ what, status }) => status >= 400 && !(what === 'HEAD new blob' && status === 404));
    expect(load.failures).toEqual([]);
    expect(refused.filter(({ what, status, code }) => status !== 503 || (code !== 'UNAVAILABLE' && !what.startsWith('HEAD')))).toEqual([]);
    expect(refused.filter(({ retryAfter }) => !(Number(retryAfter) < 5))).toEqual([]);
    expect(refused.length).toBeGreaterThan(0);
    expect(Math.max(...back)).toBeLessThan(BACK_MS);
    expect(load.acknowledged.length).toBeGreaterThan(3);
    for (const { repository, image } of load.acknowledged) {
      const manifest = image.manifest('app');
      expect((await client.getManifest(repository, manifest.digest)).body.equals(manifest.bytes)).toBe(true);
      for (const blob of image.blobs()) expect((await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)).toBe(true);
    }
    client.close();
    await registry.stop();
    await logIsEqual(() => postgres).check();
    await postgres.close();
  });
});
