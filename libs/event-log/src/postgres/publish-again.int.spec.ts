import { setTimeout as delay } from 'node:timers/promises';
import { testDatabase } from '@waybill/testing/postgres';
import { PushHistory } from '../testing/push-history.js';
import { publishAgain } from './publish-again.js';
import { Sealer } from './sealer.js';

it('publishing again goes through also where the outlet takes longer than a session of ours may be silent', async () => {
  const own = await testDatabase();
  const { database } = own;
  try {
    await new PushHistory(database.sql).everything();
    const last = await new Sealer(database).drain();
    await database.sql(`INSERT INTO es.consumer (name, version, shard, seq) VALUES ('slow', 1, 0, $1)`, [last]);
    const outlet = { name: 'slow', partitionOf: () => 0, correctTags: () => delay(11_500, 7) };
    expect(await publishAgain(database, outlet, 3)).toEqual({ events: last - 2, corrected: 7 });
    expect(await database.sql(`SELECT partition, seq::int FROM es.relay_partition WHERE relay = 'slow'`)).toEqual([{ partition: 0, seq: 2 }]);
  } finally {
    await own.close();
  }
}, 40_000);
