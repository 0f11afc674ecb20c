import { testDatabase } from '@waybill/testing/postgres';
import { describeEventFeed } from '../testing/event-feed.contract.js';
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
