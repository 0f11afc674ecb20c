import { randomUUID } from 'node:crypto';
import { leafHash } from '@waybill/events';
import type { Database } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import { tagMovedEvent } from '../testing/event-builder.js';
import { eventually } from '../testing/eventually.js';
import { brokenInvariants } from '../testing/log-invariants.js';
import { runWriters, testScale } from '../testing/writers.js';
import { EVENT_COLUMNS, sealedEvent } from './event-row.js';
import type { SealedRow } from './event-row.js';
import { PostgresEventStore } from './event-store.js';
import { SealPass } from './seal-pass.js';
import { verifyLog } from './verify/verify.js';

describe('the order of the log', () => {
  let database: Database;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ database, close } = await testDatabase({ poolSize: 30 }));
  });
  afterEach(() => close());

  const sealed = () => database.sql<{ event_id: string }>('SELECT e.event_id FROM es.log l JOIN es.event e USING (gpos) ORDER BY l.seq');
  const append = async (stream: string, count: number, within?: Parameters<PostgresEventStore['append']>[1]) => {
    const events = Array.from({ length: count }, () => tagMovedEvent(randomUUID(), 't'));
    await new PostgresEventStore(database).append([{ stream, expected: 'any', events }], within);
    return events.map(({ event_id }) => event_id);
  };

  it('loses nothing, inverts no stream and leaves no hole with 24 writers, some slow, and two sealers at once', async () => {
    let writing = true;
    // batches smaller than a pass finds, so that full batches are among them
    const passes = [new SealPass(database, 7), new SealPass(database, 1000)];
    const sealing = passes.map(async (pass) => {
      while (writing) await pass.run();
    });
    const committed = await runWriters(database, { writers: 24, transactions: 40 * testScale(), streams: 6 });
    writing = false;
    await Promise.all(sealing);
    while ((await passes[0]?.run())?.sealed !== 0);
    expect(await brokenInvariants(database)).toEqual([]);
    expect(new Set((await sealed()).map(({ event_id }) => event_id))).toEqual(committed);
    expect(committed.size).toBeGreaterThan(24 * 30);
  }, 60_000 * testScale());


  it('numbers an event that committed late before the later ones of its stream, however far the others went on', async () => {
    const pass = new SealPass(database, 1000);
    const drain = async () => {
      while ((await pass.run()).sealed > 0);
    };
    const others = `tag-${randomUUID()}:others`;
    let late: string[] = [];
    await database.transaction(async (sql) => {
      late = await append('tag-late:t', 1, sql);
      for (let i = 0; i < 22; i++) await append(others, 1000);
      await drain();
      await drain();
    });
    late.push(...(await append('tag-late:t', 1)));
    await drain();
    const order = (await sealed()).map(({ event_id }) => event_id);
    expect(late.map((id) => order.indexOf(id))).toEqual([22_000, 22_001]);
    expect(await brokenInvariants(database)).toEqual([]);
  }, 60_000);

  it('takes what a full batch left behind in the next passes', async () => {
    const pass = new SealPass(database, 7);
    await append('tag-many:t', 50);
    const sealedCounts: number[] = [];
    do sealedCounts.push((await pass.run()).sealed);
    while (sealedCounts.at(-1) === 7);
    expect(sealedCounts).toEqual([7, 7, 7, 7, 7, 7, 7, 1]);
    expect(await brokenInvariants(database)).toEqual([]);
  });

  it('moves the start of its scan on while a reader keeps an old snapshot, and not beyond an unfinished writer', async () => {
    const pass = new SealPass(database, 1000);
    const rounds = async () => {
      for (let i = 0; i < 4; i++) {
        await append(`tag-${randomUUID()}:t`, 10);
        await pass.run();
      }
      return pass.scanStart;
    };
    // eventually: writers of other databases of the server hold the start back as well
    const movesBeyond = (gpos: number) => eventually(async () => expect(await rounds()).toBeGreaterThan(gpos), 8_000);
    await movesBeyond(0);
    const before = pass.scanStart;
    await database.transaction(async (sql) => {
      await sql('SELECT count(*) FROM es.event');
      await movesBeyond(before);
    }, 'repeatable read');
    const [drawn] = await database.sql<{ last: number }>('SELECT last_value::int AS last FROM es.gpos');
    await database.transaction(async (sql) => {
      await append('tag-unfinished:t', 1, sql);
      for (let i = 0; i < 3; i++) expect(await rounds()).toBeLessThanOrEqual(drawn?.last ?? 0);
    });
    await movesBeyond(drawn?.last ?? 0);
  }, 60_000);

  it('writes the leaf of each event over what is stored', async () => {
    await append('tag-leaf:t', 3);
    await new SealPass(database, 1000).run();
    const rows = await database.sql<SealedRow & { leaf: Buffer }>(`SELECT l.seq, l.leaf, z.log_id, z.epoch, ${EVENT_COLUMNS}
      FROM es.log l JOIN es.event e USING (gpos) JOIN es.stream s USING (stream_id) CROSS JOIN es.sealer z ORDER BY l.seq`);
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(leafHash(sealedEvent(row)).equals(row.leaf)).toBe(true);
  });

  it('seals an event that has no canonical JSON by its text, and the events around it as ever; log:verify holds it to that text', async () => {
    await append('tag-before:t', 1);
    // past es.append, which refuses it: an event of an earlier release, or the owner's hand
    await database.sql(`WITH s AS (INSERT INTO es.stream (name, version) VALUES ('odd', 2) RETURNING stream_id), e AS (
        INSERT INTO es.event (gpos, event_id, stream_id, version, type, schema_version, tenant_id, data, meta)
        SELECT nextval('es.gpos'), gen_random_uuid(), s.stream_id, n, 'Odd', 1, 1, '{}', CASE n WHEN 1 THEN '{"n": 1e400}' ELSE (repeat('[', 5000) || repeat(']', 5000))::jsonb END FROM s, generate_series(1, 2) n RETURNING gpos)
      INSERT INTO es.pending SELECT gpos FROM e`);
    await append('tag-after:t', 1);
    const { sealed: count, odd } = await new SealPass(database, 1000).run();
    expect(count).toBe(4);
    expect(odd[0]).toMatchObject({ seq: 2, stream: 'odd' });
    expect(await brokenInvariants(database)).toEqual([]);
    const leafFaults = async () => (await verifyLog(database)).differences.filter((line) => line.includes('leaf'));
    expect(await leafFaults()).toEqual([]);
    await database.sql(`UPDATE es.event SET meta = '{"n": 2e400}' WHERE meta ? 'n'`);
    expect(await leafFaults()).toEqual([expect.stringMatching(/the leaf of seq 2 is not that of its event/)]);
  });
});
