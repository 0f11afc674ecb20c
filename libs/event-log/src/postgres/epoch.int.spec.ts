import { leafHash, MerkleFrontier } from '@waybill/events';
import type { SealedEvent } from '@waybill/events';
import { PgDatabase } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { eventually } from '../testing/eventually.js';
import { brokenInvariants } from '../testing/log-invariants.js';
import { PushHistory } from '../testing/push-history.js';
import { assertNobodyConnected, beginEpoch, SealerAtWork } from './epoch.js';
import { PostgresEventFeed } from './event-feed.js';
import { SealPass } from './seal-pass.js';
import { Sealer } from './sealer.js';
import { verifyLog } from './verify/verify.js';

describe('a new epoch of the log', () => {
  let test: TestDatabase;
  beforeEach(async () => {
    test = await testDatabase();
  });
  afterEach(() => test.close());

  const seal = () => new SealPass(test.database, 1000).run();
  const push = (text: string) => new PushHistory(test.database.sql).push('library/app', text, { tags: ['latest'] });
  const followed = async (count: number): Promise<SealedEvent[]> => {
    const feed = new PostgresEventFeed(test.database);
    const events: SealedEvent[] = [];
    feed.subscribe({ name: 'epochs', version: 1, handle: async (event) => void events.push(event), stopped: () => undefined });
    try {
      await eventually(async () => expect(events.length).toBe(count));
    } finally {
      await feed.close();
    }
    return events;
  };

  it('begins with EpochStarted, whose root is that of everything before it; consumers read each event with the epoch that it was numbered in', async () => {
    await new PushHistory(test.database.sql).everything();
    const { lastSeq } = await seal();
    const leaves = new MerkleFrontier();
    for (const { leaf } of await test.database.sql<{ leaf: Buffer }>('SELECT leaf FROM es.log ORDER BY seq')) leaves.add(leaf);
    const root = leaves.root().toString('hex');
    const begun = await beginEpoch(test.database, 'restore');
    expect(begun).toMatchObject({ before: 1, lastSeq, root, epoch: 2, seq: lastSeq + 1, pending: 0 });
    await push('afterwards');
    await seal();
    const events = await followed(lastSeq + 3);
    expect(events.map(({ epoch }) => epoch)).toEqual([...Array.from({ length: lastSeq }, () => 1), 2, 2, 2]);
    expect(events[lastSeq]).toMatchObject({
      type: 'EpochStarted', stream: 'system-log', repo_id: null, epoch: 2, seq: lastSeq + 1, data: { epoch: 2, previous_root: root, reason: 'restore' },
    });
    const stored = await test.database.sql<{ leaf: Buffer }>('SELECT leaf FROM es.log ORDER BY seq');
    expect(events.map(leafHash)).toEqual(stored.map(({ leaf }) => leaf));
    expect((await verifyLog(test.database)).differences).toEqual([]);
    expect(await brokenInvariants(test.database)).toEqual([]);
  });

  it('numbers what was pending in the new epoch, after its first event', async () => {
    await push('numbered');
    const { lastSeq } = await seal();
    await push('pending');
    expect(await beginEpoch(test.database, 'failover')).toMatchObject({ lastSeq, pending: 2 });
    await seal();
    const types = (await followed(lastSeq + 3)).slice(lastSeq).map(({ type, epoch }) => [type, epoch]);
    expect(types).toEqual([['EpochStarted', 2], ['ManifestPushed', 2], ['TagMoved', 2]]);
  });

  it('begins in an empty log, and again and again', async () => {
    expect(await beginEpoch(test.database, 'restore')).toMatchObject({ lastSeq: 0, root: null, epoch: 2, seq: 1 });
    expect(await beginEpoch(test.database, 'failover')).toMatchObject({ lastSeq: 1, epoch: 3, seq: 2 });
    expect((await followed(2)).map(({ epoch, seq }) => [epoch, seq])).toEqual([[2, 1], [3, 2]]);
    expect((await verifyLog(test.database)).differences).toEqual([]);
  });

  it('is refused after a restore while a sealer is at work, and waits for the lease that came with the backup', async () => {
    const sealer = new Sealer(test.database);
    sealer.start();
    await eventually(async () => expect(await test.database.sql(`SELECT 1 FROM es.consumer WHERE name = 'es.sealer' AND owner IS NOT NULL`)).toHaveLength(1));
    await expect(beginEpoch(test.database, 'restore')).rejects.toThrow(SealerAtWork);
    await sealer.stop();
    expect(await test.database.sql('SELECT epoch FROM es.sealer')).toEqual([{ epoch: 1 }]);
    await test.database.sql(`UPDATE es.consumer SET owner = gen_random_uuid(), lease_until = clock_timestamp() + interval '2 seconds' WHERE name = 'es.sealer'`);
    expect(await beginEpoch(test.database, 'restore')).toMatchObject({ epoch: 2 });
  }, 30_000);

  it('is refused after a restore while anybody is connected, whoever it is and whatever the session does', async () => {
    const alone = new PgDatabase({ url: test.url, poolSize: 1 });
    const other = new PgDatabase({ url: test.url, poolSize: 1 });
    await test.database.close();
    await other.sql('SELECT 1');
    await expect(assertNobodyConnected(alone)).rejects.toThrow(/^1 session of the role \S+.*: a registry is at work on this database/);
    await other.close();
    await assertNobodyConnected(alone);
    await alone.close();
  }, 30_000);

  it('begins after a failover while sealers work and others push: dense numbers, and an epoch that never falls', async () => {
    const sealers = [new Sealer(test.database, { gatherMs: 1 }), new Sealer(test.database, { gatherMs: 1 })];
    for (const sealer of sealers) sealer.start();
    let pushing = true;
    const pushes = (async () => {
      for (let i = 0; pushing; i++) {
        await push(`push ${i}`);
        for (const sealer of sealers) sealer.poke();
      }
    })();
    for (let i = 0; i < 5; i++) await beginEpoch(test.database, 'failover');
    pushing = false;
    await pushes;
    await eventually(async () => expect(await brokenInvariants(test.database)).toEqual([]));
    await Promise.all(sealers.map((sealer) => sealer.stop()));
    expect((await verifyLog(test.database)).differences).toEqual([]);
    expect(await test.database.sql('SELECT epoch FROM es.sealer')).toEqual([{ epoch: 6 }]);
  }, 30_000);

  it('begins with what belongs to it or not at all', async () => {
    await push('before');
    await seal();
    await expect(beginEpoch(test.database, 'restore', () => Promise.reject(new Error('the other half')))).rejects.toThrow('the other half');
    expect(await test.database.sql('SELECT epoch, (SELECT count(*)::int FROM es.epoch) AS epochs FROM es.sealer')).toEqual([{ epoch: 1, epochs: 1 }]);
    expect(await brokenInvariants(test.database)).toEqual([]);
  });

  it('is refused on a log with a hole', async () => {
    await push('before');
    await seal();
    await test.database.sql('DELETE FROM es.log WHERE seq = 1');
    await expect(beginEpoch(test.database, 'restore')).rejects.toThrow(/es\.log has 0 numbers without a gap, es\.sealer says 3; .*log:verify/);
  });

  it('is refused to a role that may do what a sealer does', async () => {
    const role = `sealing_${Date.now()}`;
    await test.database.sql(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA es TO ${role}; GRANT SELECT, UPDATE ON es.sealer TO ${role};
      GRANT SELECT, INSERT ON es.log TO ${role}; GRANT SELECT, DELETE ON es.pending TO ${role}; GRANT SELECT ON es.event, es.stream, es.consumer, es.epoch TO ${role}`);
    const service = new PgDatabase({ url: test.url.replace('//waybill@', `//${role}@`) });
    try {
      await expect(beginEpoch(service, 'restore')).rejects.toThrow('permission denied for function append_one');
      await expect(service.sql('INSERT INTO es.epoch VALUES (9, 9)')).rejects.toThrow('permission denied for table epoch');
    } finally {
      await service.close();
      await test.database.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
    expect(await test.database.sql('SELECT epoch FROM es.sealer')).toEqual([{ epoch: 1 }]);
  });
});
