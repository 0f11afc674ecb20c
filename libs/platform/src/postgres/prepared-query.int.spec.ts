import { jest } from '@jest/globals';
import { DependencyUnavailable } from '@waybill/oci';
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PgDatabase } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { sqlState } from './postgres-errors.js';

jest.setTimeout(30_000);
const directory = mkdtempSync(join(tmpdir(), 'wb-prepared-'));
let server: EmbeddedPostgres;
let database: PgDatabase;
let other: PgDatabase;
let driver: pg.Client;

const named = (name: string, text: string) => ({ name: `spec.${name}`, text });
const rejection = (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined, (error: unknown) => error);
const session = async (): Promise<number> => (await database.sql<{ pid: number }>('SELECT pg_backend_pid() AS pid'))[0]?.pid ?? 0;

/** What both make of the values as parameters of `type`, first and second time. */
async function both(type: string, values: readonly unknown[]): Promise<[ours: unknown[], theirs: unknown[]]> {
  const text = `SELECT $1::${type} AS value, $1::${type}::text AS text`;
  const ours: unknown[] = [];
  const theirs: unknown[] = [];
  for (const value of values) {
    ours.push(await database.sql(named(`type ${type}`, text), [value]));
    theirs.push((await driver.query({ name: `type ${type}`, text, values: [value] })).rows);
  }
  return [ours, theirs];
}

describe('a named statement, over a session of its own', () => {
  beforeAll(async () => {
    server = await EmbeddedPostgres.start({ dataDirectory: directory });
    database = new PgDatabase({ url: server.url, poolSize: 1 });
    other = new PgDatabase({ url: server.url, poolSize: 1 });
    driver = new pg.Client({ connectionString: server.url });
    await driver.connect();
    await database.sql('CREATE TABLE note (value text PRIMARY KEY)');
  });

  afterAll(async () => {
    await Promise.all([database.close(), other.close(), driver.end()]);
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it.each<[string, unknown[]]>([
    ['text', ['', 'a', 'é 漢 👍', '"\\{},\n', null, undefined, 7, true]],
    ['int', [0, -1, 2147483647, null]], ['bigint', [9007199254740991, 2n ** 63n - 1n]], ['float8', [0.1, -1e300, Number.NaN, Infinity]], ['numeric', [1.5, '1e20']],
    ['boolean', [true, false, null]], ['uuid', ['8a3f1c3e-0000-4000-8000-000000000000']], ['bytea', [Buffer.from([0, 255, 92]), Buffer.alloc(0), new Uint8Array([1, 2]).subarray(1)]],
    ['timestamptz', [new Date(0), new Date('2026-02-28T23:59:59.999Z'), new Date('0099-01-01T00:00:00Z'), '2026-01-01', null]],
    ['jsonb', [{ a: [1, null, 'x'] }, '{"b":1}', '[1]', null]], ['interval', ['1 day']], ['"char"', ['L']],
    ['text[]', [[], ['a', null, '', 'NULL', '{}', 'a,b', '"', '\\', ' x '], null]], ['int[]', [[1, 2], [[1, 2], [3, 4]]]], ['bigint[]', [[1n, 2]]], ['boolean[]', [[true, null]]],
    ['timestamptz[]', [[new Date(0), null]]], ['bytea[]', [[Buffer.from([0, 1]), new Uint8Array([255]), null]]], ['uuid[]', [['8a3f1c3e-0000-4000-8000-000000000000']]],
  ])('takes and answers %s as the driver does', async (type, values) => {
    const [ours, theirs] = await both(type, values);
    expect(ours).toEqual(theirs);
  });

  it('takes any text and any list of texts as the driver does', async () => {
    const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));
    await fc.assert(fc.asyncProperty(text, fc.array(fc.option(text)), async (value, list) => {
      const [ours, theirs] = await both('text', [value]);
      expect(ours).toEqual(theirs);
      const [ourLists, theirLists] = await both('text[]', [list]);
      expect(ourLists).toEqual(theirLists);
    }), { numRuns: 100 });
  });

  it('takes and answers a mebibyte, of text and of bytes', async () => {
    const text = 'ü漢'.repeat(2 ** 18);
    const bytes = Buffer.alloc(2 ** 20, 'bytes');
    for (let i = 0; i < 2; i++) {
      const [row] = await database.sql<{ same: boolean; text: string; bytes: Buffer }>(named('large', 'SELECT $1::text = $3 AS same, $1::text AS text, $2::bytea AS bytes'), [text, bytes, text]);
      expect([row?.same, row?.text === text, row?.bytes.equals(bytes)]).toEqual([true, true, true]);
    }
  });

  it('answers rows, no rows, no columns, a name that stands twice, and statements that have none', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await database.sql(named('rows', 'SELECT i, NULL AS nothing FROM generate_series(1, $1) i'), [2])).toEqual([{ i: 1, nothing: null }, { i: 2, nothing: null }]);
      expect(await database.sql(named('rows', 'SELECT i, NULL AS nothing FROM generate_series(1, $1) i'), [0])).toEqual([]);
      expect(await database.sql(named('columns', 'SELECT FROM generate_series(1, 2)'))).toEqual([{}, {}]);
      expect(await database.sql(named('twice', 'SELECT 1 AS a, 2 AS a'))).toEqual([{ a: 2 }]);
      expect(await database.sql(named('none', 'UPDATE note SET value = value'))).toEqual([]);
      expect(await database.sql(named('empty', ''))).toEqual([]);
    }
  });

  it('keeps the session through errors at the first run and at later ones, and prepares the statement once', async () => {
    const before = await session();
    const divide = named('divide', 'SELECT 10 / $1::int AS result');
    for (const state of ['22012', '22012']) expect(sqlState(await rejection(database.sql(divide, [0])))).toBe(state);
    expect(await database.sql(divide, [5])).toEqual([{ result: 2 }]);
    expect(sqlState(await rejection(database.sql(divide, ['x'])))).toBe('22P02');
    expect(await database.sql(divide, [2])).toEqual([{ result: 5 }]);
    expect(sqlState(await rejection(database.sql(named('broken', 'SELECT nonsense'))))).toBe('42703');
    expect(await database.sql(named('rest', "SELECT count(*)::int AS prepared FROM pg_prepared_statements WHERE name = 'spec.divide'"))).toEqual([{ prepared: 1 }]);
    expect(await session()).toBe(before);
  });

  it('sends nothing for a value without a form and for a name of another text, and goes on', async () => {
    const before = await session();
    expect(await rejection(database.sql(named('symbol', 'SELECT $1::text'), [Symbol('a')]))).toEqual(new TypeError('A symbol is no parameter of a statement.'));
    expect(await database.sql(named('symbol', 'SELECT $1::text'), ['a'])).toEqual([{ text: 'a' }]);
    expect(String(await rejection(database.sql(named('symbol', 'SELECT 2'))))).toContain('"spec.symbol" belongs to another statement');
    const waiting = [rejection(database.sql(named('symbol', 'SELECT 3'))), database.sql(named('pid', 'SELECT pg_backend_pid() AS pid'))];
    expect(await Promise.all(waiting)).toEqual([expect.any(Error), [{ pid: before }]]);
  });

  it('fails with the transaction that it stands in, and works in the next one', async () => {
    const note = named('note', 'INSERT INTO note VALUES ($1) RETURNING value');
    const late = named('late', 'SELECT 1 AS one');
    const states: (string | undefined)[] = [];
    await rejection(database.transaction(async (sql) => {
      await sql(note, ['kept out']);
      states.push(sqlState(await rejection(sql(note, ['kept out']))), sqlState(await rejection(sql(note, ['another']))), sqlState(await rejection(sql(late))));
    }));
    expect(states).toEqual(['23505', '25P02', '25P02']);
    expect(await database.transaction(async (sql) => [await sql(note, ['kept']), await sql(late)])).toEqual([[{ value: 'kept' }], [{ one: 1 }]]);
    expect(await database.sql('SELECT value FROM note')).toEqual([{ value: 'kept' }]);
  });

  it('is not disturbed by notices', async () => {
    await database.sql("CREATE FUNCTION tell() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'told'; RETURN 1; END $$");
    for (let i = 0; i < 2; i++) expect(await database.sql(named('tell', 'SELECT tell()'))).toEqual([{ tell: 1 }]);
  });

  it('fails once where the session has lost it, and is prepared anew', async () => {
    const one = named('one', 'SELECT 1 AS one');
    await database.sql(one);
    await database.sql('DEALLOCATE ALL');
    expect(sqlState(await rejection(database.sql(one)))).toBe('26000');
    expect(await database.sql(one)).toEqual([{ one: 1 }]);
  });

  it('fails once where its rows have changed, and then answers the new ones', async () => {
    const shape = named('shape', 'SELECT * FROM shape');
    await database.sql("CREATE TABLE shape AS SELECT 1 AS a, 'b' AS b");
    expect(await database.sql(shape)).toEqual([{ a: 1, b: 'b' }]);
    await other.sql('ALTER TABLE shape DROP COLUMN a, ADD COLUMN a int DEFAULT 2');
    expect(sqlState(await rejection(database.sql(shape)))).toBe('0A000');
    expect(await database.sql(shape)).toEqual([{ b: 'b', a: 2 }]);
  });

  it('never takes rows of another number of columns for its own', async () => {
    const wide = named('wide', 'SELECT 1 AS a');
    await database.sql(wide);
    // what a pooler between us and the server can come to
    await database.sql('DEALLOCATE "spec.wide"; PREPARE "spec.wide" AS SELECT 1 AS a, 2 AS b');
    expect(String(await rejection(database.sql(wide)))).toContain('The rows of "spec.wide" have 2 columns, 1 were expected');
    expect(await database.sql(wide)).toEqual([{ a: 1 }]);
  });

  it('says DependencyUnavailable where its session is killed meanwhile, and runs on the next', async () => {
    const slow = named('slow', 'SELECT pg_sleep($1), 1 AS one');
    await database.sql(slow, [0]);
    const before = await session();
    const killed = rejection(database.sql(slow, [5]));
    await sleep(50);
    await other.sql('SELECT pg_terminate_backend($1)', [before]);
    expect(await killed).toBeInstanceOf(DependencyUnavailable);
    expect(await database.sql(slow, [0])).toMatchObject([{ one: 1 }]);
    expect(await session()).not.toBe(before);
  });

  it('ends a session that it would leave waiting for the data of a COPY', async () => {
    const before = await session();
    expect(await rejection(database.sql(named('copy', 'COPY note FROM STDIN')))).toBeInstanceOf(DependencyUnavailable);
    expect(await session()).not.toBe(before);
  });
});
