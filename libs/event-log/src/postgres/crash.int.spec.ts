import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PgDatabase } from '@waybill/platform';
import { RunningChild } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { createEffects, effectsConsumer, wrongEffects } from '../testing/effects.js';
import { tagMovedEvent } from '../testing/event-builder.js';
import { eventually } from '../testing/eventually.js';
import { KilledDatabase } from '../testing/killed-database.js';
import { brokenInvariants } from '../testing/log-invariants.js';
import { runWriters, testScale } from '../testing/writers.js';
import { PostgresEventFeed } from './event-feed.js';
import { PostgresEventStore } from './event-store.js';
import { SealPass } from './seal-pass.js';
import { Sealer } from './sealer.js';

const FOLLOWER = join(import.meta.dirname, '..', 'testing', 'follower-process.js');

describe('sealer and consumer killed', () => {
  let database: PgDatabase;
  let url: string;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ database, url, close } = await testDatabase({ poolSize: 30 }));
    await createEffects(database);
  });
  afterEach(() => close());

  const append = async (count: number) => {
    const events = Array.from({ length: count }, () => tagMovedEvent(randomUUID(), 't'));
    await new PostgresEventStore(database).append([{ stream: `tag-${randomUUID()}:t`, expected: 'any', events }]);
  };
  const allIsWell = () => eventually(async () => {
    expect(await brokenInvariants(database)).toEqual([]);
    expect(await wrongEffects(database)).toBe(0);
  }, 20_000);

  it('re-drives a seal pass whose session ended before any one of its statements', async () => {
    // lock, take, number, COMMIT
    for (const at of [0, 1, 2, 3]) {
      await append(5);
      const victim = new KilledDatabase(database, at);
      const pass = new SealPass(victim, 1000);
      await expect(pass.run()).rejects.toThrow('database is not available');
      expect([victim.killed, victim.statements]).toEqual([true, at]);
      expect((await pass.run()).sealed).toBe(5);
      expect(await brokenInvariants(database)).toEqual([]);
    }
  }, 60_000);

  it('re-drives a batch of a consumer whose session ended before any one of its statements', async () => {
    for (let at = 0; at <= 4; at++) {
      await append(3);
      await new SealPass(database, 1000).run();
      const victim = new KilledDatabase(database, at);
      const feed = new PostgresEventFeed(victim, { leaseMs: 1_000 });
      feed.subscribe(effectsConsumer);
      await allIsWell();
      expect(victim.killed).toBe(true);
      await feed.close();
    }
  }, 60_000);

  it('loses, doubles and inverts nothing while sessions of two sealers and two consumers are ended at random', async () => {
    const victims = new PgDatabase({ url: `${url}${url.includes('?') ? '&' : '?'}application_name=victim`, poolSize: 8 });
    const sealers = [1, 2].map(() => new Sealer(victims, { gatherMs: 1, pollMs: 5, standbyMs: 20, batch: 50 }));
    const feeds = [1, 2].map(() => new PostgresEventFeed(victims, { leaseMs: 200, batch: 20 }));
    for (const sealer of sealers) sealer.start();
    for (const feed of feeds) feed.subscribe(effectsConsumer);
    let killing = true;
    let kills = 0;
    const killer = (async () => {
      while (killing) {
        await delay(Math.random() * 30);
        kills += (await database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'victim' AND datname = current_database() ORDER BY random() LIMIT 1`)).length;
      }
    })();
    await runWriters(database, { writers: 8, transactions: 100 * testScale(), streams: 5 });
    killing = false;
    await killer;
    await allIsWell();
    expect(kills).toBeGreaterThan(20);
    await Promise.all([...sealers.map((sealer) => sealer.stop()), ...feeds.map((feed) => feed.close())]);
    await victims.close();
  }, 60_000 * testScale());

  it('loses, doubles and inverts nothing while the process of both is killed again and again', async () => {
    const effects = async () => Number((await database.sql<{ count: number }>('SELECT count(*)::int AS count FROM public.effect'))[0]?.count);
    let killing = true;
    const writing = (async () => {
      while (killing) await runWriters(database, { writers: 3, transactions: 20, streams: 3 });
    })();
    for (let kills = 0; kills < 8 * testScale(); kills++) {
      const child = new RunningChild({ command: process.execPath, arguments: [FOLLOWER, url] });
      const before = await effects();
      await child.waitUntil(async () => (await effects()) > before);
      await delay(Math.random() * 100);
      await child.stop('SIGKILL');
    }
    killing = false;
    await writing;
    const last = new RunningChild({ command: process.execPath, arguments: [FOLLOWER, url] });
    await allIsWell();
    await last.stop('SIGKILL');
  }, 60_000 * testScale());
});
