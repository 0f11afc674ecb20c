import { jest } from '@jest/globals';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { beginEpoch } from '@waybill/event-log/postgres';
import { hasDebianPostgres, startDebianPostgres, startDebianStandby } from '@waybill/event-log/testing';
import type { DebianPostgres } from '@waybill/event-log/testing';
import { PgDatabase } from '@waybill/platform';
import { FaultProxy, pushContent, RegistryClient, startSplitRegistry } from '@waybill/testing';
import { logIsEqual } from '../log-proof.js';
import { PushLoad } from './push-load.js';

jest.setTimeout(180_000);

/** A primary and a standby that streams from it, behind one address that moves to the standby. */
class PostgresPair {
  private constructor(private readonly primary: DebianPostgres, private readonly standby: DebianPostgres, readonly proxy: FaultProxy, private readonly administrator: PgDatabase) {}

  /** @param waits whether a commit is acknowledged only once the standby has it */
  static async start(waits: boolean): Promise<PostgresPair> {
    const primary = await startDebianPostgres();
    const standby = await startDebianStandby(primary);
    const administrator = new PgDatabase({ url: primary.url, poolSize: 1 });
    if (waits) {
      await administrator.sql("ALTER SYSTEM SET synchronous_standby_names = '*'");
      await administrator.sql('SELECT pg_reload_conf()');
    }
    const pair = new PostgresPair(primary, standby, await FaultProxy.start(join(primary.folder, '.s.PGSQL.5432')), administrator);
    await pair.streams(waits ? 'sync' : 'async');
    return pair;
  }

  get url(): string {
    return `postgresql://waybill@127.0.0.1:${this.proxy.port}/postgres`;
  }

  /** From now on the standby hears nothing of the primary. */
  async stopStreaming(): Promise<void> {
    await this.atStandby(async (standby) => {
      await standby.sql("ALTER SYSTEM SET primary_conninfo = ''");
      await standby.sql('SELECT pg_reload_conf()');
      for (let tries = 0; (await standby.sql('SELECT FROM pg_stat_wal_receiver')).length > 0; tries += 1, await delay(50)) if (tries > 200) throw new Error('The standby streams on.');
    });
  }

  /** The primary is killed and the standby takes its place and its address. */
  async failOver(): Promise<void> {
    this.proxy.refuse(true);
    process.kill(this.primary.pid, 'SIGKILL');
    await delay(500);
    expect(await this.atStandby((standby) => standby.sql('SELECT pg_promote() AS promoted'))).toEqual([{ promoted: true }]);
    this.proxy.aim(join(this.standby.folder, '.s.PGSQL.5432'));
    this.proxy.refuse(false);
  }

  async stop(): Promise<void> {
    await this.administrator.close();
    await this.proxy.stop();
    await Promise.all([this.standby.stop(), this.primary.stop()]);
  }

  private async atStandby<T>(work: (standby: PgDatabase) => Promise<T>): Promise<T> {
    const standby = new PgDatabase({ url: this.standby.url, poolSize: 1 });
    try {
      return await work(standby);
    } finally {
      await standby.close();
    }
  }

  private async streams(state: string): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1, await delay(50)) {
      const rows = await this.administrator.sql<{ state: string }>('SELECT sync_state AS state FROM pg_stat_replication');
      if (rows[0]?.state === state) return;
    }
    throw new Error(`The standby does not stream as ${state}.`);
  }
}

/** What was acknowledged is there, byte for byte. */
async function isThere(client: RegistryClient, { repository, image }: PushLoad['acknowledged'][number]): Promise<boolean> {
  const manifest = image.manifest('app');
  const found = await client.getManifest(repository, manifest.digest);
  if (found.status !== 200 || !found.body.equals(manifest.bytes)) return false;
  for (const blob of image.blobs()) if (!(await client.getBlob(repository, blob.digest)).body.equals(blob.bytes)) return false;
  return true;
}

if (hasDebianPostgres()) {
  describe('Postgres fails over to a standby under two replicas of each service', () => {
    it.each([['that every commit waits for: nothing that was acknowledged is lost', true], ['that lacks the last events: a new epoch begins, and what it has is served', false]])('%s', async (_promise, waits) => {
      const pair = await PostgresPair.start(waits);
      const registry = await startSplitRegistry({ databaseUrl: pair.url });
      const client = new RegistryClient(registry.baseUrl);
      const known = PushLoad.image();
      await pushContent(client, 'load/known', known, { latest: 'app' });
      const load = new PushLoad(registry.baseUrl, known);
      let kept = 0;
      try {
        await load.works();
        kept = load.acknowledged.length;
        if (!waits) {
          // what was acknowledged so far is there; what comes now is not
          await delay(500);
          await pair.stopStreaming();
          await load.works();
        }
        await pair.failOver();
        await load.works();
      } finally {
        await load.stop();
      }
      const refused = load.observed.filter(({ what, status }) => status >= 400 && status !== 503 && !(what === 'HEAD new blob' && status === 404));
      // an upload that began on the primary is unknown to a standby that lacks it
      expect(refused.filter(({ status }) => waits || ![400, 404].includes(status))).toEqual([]);
      const there = await Promise.all(load.acknowledged.map((one) => isThere(client, one)));
      expect(there.slice(0, waits ? there.length : kept)).not.toContain(false);
      if (!waits) expect(there).toContain(false);
      const database = new PgDatabase({ url: pair.url });
      if (!waits) expect(await beginEpoch(database, 'failover')).toMatchObject({ epoch: 2 });
      await pushContent(client, 'load/after', PushLoad.image(), { latest: 'app' });
      client.close();
      await registry.stop();
      await logIsEqual(() => ({ database })).check();
      await database.close();
      await pair.stop();
    });
  });
}
