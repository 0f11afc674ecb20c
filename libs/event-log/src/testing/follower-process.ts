import { PgDatabase } from '@waybill/platform';
import { PostgresEventFeed } from '../postgres/event-feed.js';
import { Sealer } from '../postgres/sealer.js';
import { effectsConsumer } from './effects.js';

// A process that seals and consumes until it is killed: node follower-process.js <database url>
const url = process.argv[2];
if (url === undefined) throw new Error('usage: follower-process <database url>');
const database = new PgDatabase({ url, poolSize: 4 });
new Sealer(database, { gatherMs: 1, pollMs: 3, standbyMs: 10, batch: 20 }).start();
new PostgresEventFeed(database, { leaseMs: 100, batch: 10 }).subscribe(effectsConsumer);
process.stdout.write('following\n');
