import { testDatabase } from '@waybill/testing/postgres';
import { describeEventStore } from '../testing/event-store.contract.js';
import { PostgresEventStore } from './event-store.js';

describeEventStore({
  name: 'Postgres',
  async create() {
    const { database, close } = await testDatabase();
    return { store: new PostgresEventStore(database), database, close };
  },
});
