import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate, PgDatabase } from '@waybill/platform';
import { temporaryFolder } from '@waybill/testing';
import { hasDebianPostgres, startDebianPostgres } from '../testing/debian-postgres.js';
import type { DebianPostgres } from '../testing/debian-postgres.js';
import { createEffects, effectsConsumer, wrongEffects } from '../testing/effects.js';
import { eventually } from '../testing/eventually.js';
import { brokenInvariants } from '../testing/log-invariants.js';
import { PushHistory } from '../testing/push-history.js';
import { PostgresEventFeed } from './event-feed.js';
import { SealPass } from './seal-pass.js';
import { Sealer } from './sealer.js';
import { verifyLog } from './verify/verify.js';

async function withDatabase(url: string, work: (database: PgDatabase) => Promise<void>): Promise<void> {
  const database = new PgDatabase({ url });
  try {
    await work(database);
  } finally {
    await database.close();
  }
}

/** Consumes until everything that has a number took effect. */
async function follow(database: PgDatabase): Promise<void> {
  const feed = new PostgresEventFeed(database);
  feed.subscribe(effectsConsumer);
  await eventually(async () => expect(await wrongEffects(database)).toBe(0));
  await feed.close();
}

/** Four clients that push and delete at once, to tags that they share. */
async function pushAtOnce(database: PgDatabase, round: string): Promise<void> {
  await Promise.all(Array.from({ length: 4 }, async (_, client) => {
    const history = new PushHistory(database.sql);
    for (let i = 0; i < 5; i++) await history.push('library/app', `${round} ${client} ${i}`, { tags: ['latest', `${i}`] });
    await history.deleteTag('library/app', `${client}`);
  }));
}

/** A log in the middle of its work: numbered events, consumed ones, pending ones. */
async function fill(database: PgDatabase): Promise<void> {
  await createEffects(database);
  await new PushHistory(database.sql).everything();
  await new SealPass(database, 1000).run();
  await follow(database);
  await pushAtOnce(database, 'before');
  await new SealPass(database, 7).run();
}

async function goOn(database: PgDatabase): Promise<void> {
  const [before] = await database.sql<{ log_id: string; last_seq: number; pending: number }>(
    'SELECT log_id, last_seq::int, (SELECT count(*)::int FROM es.pending) AS pending FROM es.sealer');
  expect(before?.pending).toBeGreaterThan(0);
  const sealer = new Sealer(database, { gatherMs: 5 });
  sealer.start();
  await pushAtOnce(database, 'after');
  await eventually(async () => expect(await brokenInvariants(database)).toEqual([]));
  await follow(database);
  await sealer.stop();
  expect((await verifyLog(database)).differences).toEqual([]);
  const [after] = await database.sql<{ log_id: string; last_seq: number }>('SELECT log_id, last_seq::int FROM es.sealer');
  expect(after?.log_id).toBe(before?.log_id);
  expect(after?.last_seq).toBeGreaterThan((before?.last_seq ?? 0) + (before?.pending ?? 0));
}

it('goes on from a dump that was restored into a new server: nothing lost, numbers dense, consumers where they were', async () => {
  if (!hasDebianPostgres()) return;
  const folder = await temporaryFolder('dump');
  const file = join(folder.path, 'dump');
  const servers: DebianPostgres[] = [];
  try {
    const [source, target] = await Promise.all([startDebianPostgres(), startDebianPostgres()]);
    servers.push(source, target);
    await migrate(source.url);
    await withDatabase(source.url, fill);
    await source.run('pg_dump', ['-Fc', '-f', file, 'postgres']);
    await target.run('pg_restore', ['--exit-on-error', '-d', 'postgres', file]);
    await withDatabase(target.url, goOn);
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder.path, { recursive: true, force: true });
  }
}, 120_000);
