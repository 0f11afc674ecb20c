import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { testDatabase } from '@waybill/testing/postgres';
import { describeEventFeed } from '../testing/event-feed.contract.js';
import { tagMovedEvent } from '../testing/event-builder.js';
import { eventually } from '../testing/eventually.js';
import { PostgresEventFeed } from './event-feed.js';
import { PostgresEventStore } from './event-store.js';
import { Sealer } from './sealer.js';

describeEventFeed({
  name: 'Postgres',
  async create() {
    const { database, close } = await testDatabase();
    const sealer = new Sealer(database, { gatherMs: 5 });
    sealer.start();
    return {
      store: new PostgresEventStore(database, () => sealer.poke()),
      database,
      newFeed: () => new PostgresEventFeed(database, { leaseMs: 1_000, attempts: 3 }),
      async close() {
        await sealer.stop();
        await close();
      },
    };
  },
});

it('gives the lease back when a subscription stops, so that the next process does not wait for it to run out', async () => {
  const { database, close } = await testDatabase();
  const feed = new PostgresEventFeed(database);
  const subscription = feed.subscribe({ name: 'leaving', version: 1, handle: () => Promise.resolve(), stopped: () => undefined });
  await eventually(() => Promise.resolve(expect(subscription.status.state).toBe('following')));
  await feed.close();
  expect(await database.sql(`SELECT owner FROM es.consumer WHERE name = 'leaving'`)).toEqual([{ owner: null }]);
  await close();
});

it('gets through with handlers so slow that a whole batch outlives the lease, though another process waits for it', async () => {
  const { database, close } = await testDatabase();
  const events = Array.from({ length: 24 }, () => tagMovedEvent(randomUUID(), 't'));
  await new PostgresEventStore(database).append([{ stream: 'tag-slow:t', expected: 'any', events }]);
  await new Sealer(database).drain();
  const feeds = [1, 2].map(() => new PostgresEventFeed(database, { leaseMs: 300, batch: 24 }));
  const subscriptions = feeds.map((feed) => feed.subscribe({ name: 'slow', version: 1, handle: () => delay(40), stopped: () => undefined }));
  await eventually(() => Promise.resolve(expect(Math.max(...subscriptions.map(({ status }) => status.seq))).toBe(24)), 15_000);
  await Promise.all(feeds.map((feed) => feed.close()));
  await close();
}, 30_000);
