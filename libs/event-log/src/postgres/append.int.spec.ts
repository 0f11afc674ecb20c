import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { uuidv7 } from '@waybill/events';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { VersionConflict } from '../event-store.js';
import { brokenInvariants } from '../testing/log-invariants.js';
import { versionConflictOf } from './event-store.js';
import { SealPass } from './seal-pass.js';

jest.setTimeout(60_000);

describe('es.append_one, for SQL functions', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await testDatabase();
  });
  afterAll(() => test.close());

  const append = async (stream: string, expected: number | null) => {
    const [row] = await test.database.sql<{ gpos: number; version: number }>(
      `SELECT gpos::int, version::int FROM es.append_one($1, $2, $3, 'TagMoved', 1::smallint, 1, NULL, '{}', '{}')`, [stream, expected, uuidv7()]);
    return row;
  };

  it.each([
    [null, 0, true], [null, 3, true], [0, 0, true], [0, 3, false], [3, 3, true], [2, 3, false], [4, 3, false], [1, 0, false],
  ] as const)('expected %p on a stream at version %i: appended %s', async (expected, actual, accepted) => {
    const stream = `tag-${randomUUID()}:t`;
    for (let i = 0; i < actual; i++) await append(stream, null);
    if (accepted) {
      expect(await append(stream, expected)).toMatchObject({ version: actual + 1 });
      return;
    }
    const error = await append(stream, expected).catch(versionConflictOf);
    expect(error).toBeInstanceOf(VersionConflict);
    expect(error).toMatchObject({ stream, expected, actual });
  });

  it('draws the position after the stream is locked: who waited for the stream gets the later one', async () => {
    const stream = `tag-${randomUUID()}:t`;
    let waiting: ReturnType<typeof append> | undefined;
    const first = await test.database.transaction(async (sql) => {
      const [row] = await sql<{ gpos: number }>(`SELECT gpos::int FROM es.append_one($1, NULL, $2, 'TagMoved', 1::smallint, 1, NULL, '{}', '{}')`, [stream, uuidv7()]);
      waiting = append(stream, null);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const elsewhere = await append(`tag-${randomUUID()}:t`, null);
      return { gpos: row?.gpos ?? 0, elsewhere: elsewhere?.gpos ?? 0 };
    });
    const second = await waiting;
    expect(first.elsewhere).toBeGreaterThan(first.gpos);
    expect(second?.gpos).toBeGreaterThan(first.elsewhere);
  });

  it('may be called by no one who was not given the right', async () => {
    const [row] = await test.database.sql<{ open: number }>(
      `SELECT count(*)::int AS open FROM pg_proc p WHERE pronamespace = 'es'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE')`);
    expect(row?.open).toBe(0);
  });
});

describe('the partitions of the log', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await testDatabase();
  });
  afterAll(() => test.close());

  const ensure = async () => Number((await test.database.sql<{ made: number }>('SELECT es.ensure_partitions() AS made'))[0]?.made);

  it('are there from the beginning, one ahead', async () => {
    expect(await ensure()).toBe(0);
    const tables = await test.database.sql<{ name: string }>(`SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent IN ('es.event'::regclass, 'es.log'::regclass) ORDER BY 1`);
    expect(tables.map(({ name }) => name)).toEqual(['es.event_0000', 'es.event_0001', 'es.log_0000', 'es.log_0001']);
  });

  it('are made ahead once by any number of sessions at once, while appends go on', async () => {
    await test.database.sql(`SELECT setval('es.gpos', 50000000 - 5)`);
    await test.database.sql('UPDATE es.sealer SET last_seq = 50000000 - 5');
    const append = () => test.database.sql(`SELECT es.append_one('tag-' || gen_random_uuid(), 0, gen_random_uuid(), 'TagMoved', 1::smallint, 1, NULL, '{}', '{}')`);
    for (let i = 0; i < 10; i++) await append();
    const made = await Promise.all([ensure(), append(), ensure(), append(), ensure()]);
    expect(made.filter((each) => typeof each === 'number').reduce((a, b) => a + b, 0)).toBe(1);
    await new SealPass(test.database, 1000).run();
    expect(await ensure()).toBe(1);
    const [spread] = await test.database.sql('SELECT count(DISTINCT tableoid)::int AS partitions, count(*)::int AS events FROM es.event');
    expect(spread).toEqual({ partitions: 2, events: 12 });
    expect((await brokenInvariants(test.database)).filter((line) => !line.startsWith('seq is dense from 1'))).toEqual([]);
  });

  it('have the indexes of their parents and let the first vacuum freeze their rows', async () => {
    const indexes = await test.database.sql<{ name: string; indexes: number; options: string[] }>(`SELECT c.relname AS name, (SELECT count(*)::int FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
      c.reloptions AS options FROM pg_class c WHERE c.relname IN ('event_0001', 'event_0002', 'log_0001', 'log_0002') ORDER BY 1`);
    expect(indexes).toEqual(['event_0001', 'event_0002', 'log_0001', 'log_0002'].map((name) => ({ name, indexes: 2, options: ['autovacuum_freeze_min_age=0'] })));
  });

  it('have no CHECK beside their bounds, nor has any table that a push writes: the server parses it anew at each statement', async () => {
    const checks = await test.database.sql<{ table: string }>(
      `SELECT conrelid::regclass::text AS table FROM pg_constraint WHERE contype = 'c' AND connamespace IN ('es'::regnamespace, 'reg'::regnamespace)`);
    expect(checks).toEqual([{ table: 'es.sealer' }]);
  });
});
