import { setTimeout as delay } from 'node:timers/promises';
import { DependencyUnavailable } from '@waybill/oci';
import type { Database, Sql } from '@waybill/platform';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { chainHash, verifyAudit } from './audit-chain.js';
import type { AuditEntry } from './audit-entry.js';
import { exportAudit, searchAudit } from './audit-search.js';
import { AuditTrail } from './audit-trail.js';

const login = (actor: string, more: Partial<AuditEntry> = {}): AuditEntry => ({
  kind: 'login', outcome: 'allowed', actor, auth_kind: 'user', action: 'login', repository: null, address: '192.0.2.1', count: 1,
  since: '2026-11-01T12:00:00.000Z', until: '2026-11-01T12:00:00.000Z', ...more,
});

let db: TestDatabase;

beforeEach(async () => {
  db = await testDatabase();
});
afterEach(() => db.close());

/** The statements of an administrator who has everything but the hashes of others. */
const tamper = (statement: string): Promise<unknown> => db.database.sql(statement);

async function kept(...entries: readonly AuditEntry[]): Promise<void> {
  const trail = new AuditTrail(db.database, { gatherMs: 1 });
  for (const entry of entries) trail.keep(entry);
  await trail.stop();
}

describe('the audit', () => {
  it('keeps entries in their order, and the chain of their hashes is whole', async () => {
    await kept(...Array.from({ length: 1_203 }, (_, i) => login(`p-${i}`)));
    await kept(login('last'));
    const verdict = await verifyAudit(db.database);
    expect(verdict).toMatchObject({ entries: 1_204, faults: [], droppedUpTo: 0 });
    const lines: string[] = [];
    let hash = chainHash(Buffer.alloc(0), '');
    for await (const line of exportAudit(db.database)) {
      hash = chainHash(hash, line.line);
      expect(line.hash).toBe(hash.toString('hex'));
      lines.push(line.line);
    }
    expect(lines).toHaveLength(1_204);
    expect(hash.toString('hex')).toBe(verdict.head);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ n: 1_204, actor: 'last', action: 'login' });
  });

  it('stays one chain however many processes write it', async () => {
    const trails = Array.from({ length: 8 }, () => new AuditTrail(db.database, { gatherMs: 1 }));
    for (let i = 0; i < 50; i += 1) {
      for (const [writer, trail] of trails.entries()) trail.keep(login(`w${writer}-${i}`));
      await delay(2);
    }
    await Promise.all(trails.map((trail) => trail.stop()));
    expect(await verifyAudit(db.database)).toMatchObject({ entries: 400, faults: [] });
    const { entries } = await searchAudit(db.database, {}, 1_000);
    const ofFirst = entries.filter(({ actor }) => actor?.startsWith('w0-')).map(({ actor }) => actor).reverse();
    expect(ofFirst).toEqual(Array.from({ length: 50 }, (_, i) => `w0-${i}`));
  });

  it.each([
    ['an entry was changed', `UPDATE audit.entry SET line = replace(line, 'p-1', 'p-9'), actor = 'p-9' WHERE n = 2`, 'entry 2 is not what was hashed'],
    ['a column says something else', `UPDATE audit.entry SET actor = 'p-9' WHERE n = 2`, 'entry 2 has columns that say something else'],
    ['an entry was taken away', 'DELETE FROM audit.entry WHERE n = 2', 'entry 2 is missing'],
    ['the last entry was taken away', 'DELETE FROM audit.entry WHERE n = 3', 'ends with 2, expected 3'],
    ['the last entry and its traces were taken away', `WITH gone AS (DELETE FROM audit.entry WHERE n = 3) UPDATE audit.day SET last = 2, hash = (SELECT hash FROM audit.entry WHERE n = 2)`, 'the head of the chain says 3'],
    ['two entries changed places', `UPDATE audit.entry a SET line = b.line, actor = b.actor FROM audit.entry b WHERE a.n + b.n = 3 AND a.n < 3 AND b.n < 3`, 'entry 1 is not what was hashed'],
    ['a day was dropped without its traces', `DO $$ BEGIN EXECUTE 'DROP TABLE ' || (SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit.entry'::regclass ORDER BY inhrelid::regclass::text LIMIT 1); DELETE FROM audit.day; END $$`, 'the head of the chain says 3'],
  ])('says so when %s', async (_what, statement, fault) => {
    await kept(login('p-0'), login('p-1'), login('p-2'));
    expect((await verifyAudit(db.database)).faults).toEqual([]);
    await tamper(statement);
    expect((await verifyAudit(db.database)).faults.join('; ')).toContain(fault);
  });

  it('drops days whose time is over, and what is left can still be verified', async () => {
    await kept(login('old'), login('old'));
    // the entries of today become those of a day long ago
    await tamper(`DO $$ DECLARE part text := (SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit.entry'::regclass ORDER BY 1 LIMIT 1); BEGIN
      EXECUTE 'ALTER TABLE audit.entry DETACH PARTITION ' || part;
      EXECUTE 'UPDATE ' || part || ' SET at = ''2020-02-02T12:00:00Z''';
      EXECUTE 'ALTER TABLE ' || part || ' RENAME TO entry_20200202';
      ALTER TABLE audit.entry ATTACH PARTITION audit.entry_20200202 FOR VALUES FROM ('2020-02-02T00:00:00Z') TO ('2020-02-03T00:00:00Z');
      UPDATE audit.day SET day = '2020-02-02'; UPDATE audit.head SET at = '2020-02-02T12:00:00Z';
    END $$`);
    await kept(login('new'));
    expect(await verifyAudit(db.database)).toMatchObject({ entries: 3, faults: [] });
    expect(await db.database.sql(`SELECT audit.drop_days_v1('90 days') AS dropped`)).toEqual([{ dropped: 1 }]);
    expect(await verifyAudit(db.database)).toMatchObject({ entries: 1, droppedUpTo: 2, faults: [] });
    expect(await db.database.sql(`SELECT audit.drop_days_v1('0 days') AS dropped`)).toEqual([{ dropped: 0 }]);
    await tamper(`UPDATE audit.entry SET actor = 'x'`);
    expect((await verifyAudit(db.database)).faults).toHaveLength(1);
  });

  it('writes what is counted together once its minute is over, and what is left when it stops', async () => {
    const trail = new AuditTrail(db.database, { gatherMs: 1, tallyMs: 50 });
    for (let i = 0; i < 1_000; i += 1) trail.count({ outcome: 'denied', actor: null, auth_kind: 'anonymous', action: 'getManifest', repository: 'acme/app', address: '192.0.2.1' });
    for (const end = Date.now() + 10_000; Date.now() < end && (await searchAudit(db.database, {}, 10)).entries.length === 0;) await delay(20);
    expect((await searchAudit(db.database, {}, 10)).entries).toMatchObject([{ kind: 'request', outcome: 'denied', count: 1_000, repository: 'acme/app' }]);
    trail.count({ outcome: 'allowed', actor: 'p-1', auth_kind: 'user', action: 'getBlob', repository: 'acme/app', address: null });
    await trail.stop();
    expect((await searchAudit(db.database, { actor: 'p-1' }, 10)).entries).toMatchObject([{ action: 'getBlob', count: 1 }]);
  });

  it('finds by each of its fields, page after page, the newest first', async () => {
    await kept(login('p-1', { repository: 'acme/app', outcome: 'denied', action: 'deleteManifest', address: '192.0.2.7' }), ...Array.from({ length: 25 }, () => login('p-2')));
    for (const query of [{ actor: 'p-1' }, { repository: 'acme/app' }, { outcome: 'denied' as const }, { action: 'deleteManifest' }, { address: '192.0.2.7' }]) {
      expect((await searchAudit(db.database, query, 100)).entries.map(({ n }) => n)).toEqual([1]);
    }
    expect((await searchAudit(db.database, { to: new Date(0) }, 100)).entries).toEqual([]);
    const seen: number[] = [];
    await kept(login('p-3'));
    for (let last: string | undefined; ;) {
      const page = await searchAudit(db.database, { kind: 'login' }, 10, last);
      seen.push(...page.entries.map(({ n }) => n));
      last = page.last;
      if (last === undefined) break;
    }
    expect(seen[0]).toBe(27);
    // the others were appended together, and stand in no order across pages
    expect(seen.toSorted((a, b) => b - a)).toEqual(Array.from({ length: 27 }, (_, i) => 27 - i));
  });

  it('looks at so many entries a page and no more, and goes on behind a page without a match', async () => {
    const rare = login('rare', { action: 'deleteManifest', repository: 'acme/app' });
    const others = (count: number): readonly AuditEntry[] => Array.from({ length: count }, () => login('p-2', { repository: 'acme/app' }));
    // appended apart, so that it is known where in a page each stands: the last of the first, the first of the second, and the very last
    for (const entries of [[rare], others(40), [rare], [rare], others(29)]) await kept(...entries);
    const pages: number[][] = [];
    for (let last: string | undefined; ;) {
      const page = await searchAudit(db.database, { action: 'deleteManifest', organisation: 'acme' }, 10, last, undefined, 30);
      pages.push(page.entries.map(({ n }) => n));
      last = page.last;
      if (last === undefined) break;
    }
    expect(pages).toEqual([[43], [42], [1]]);
  });

  it('knows an organisation by its repositories, and library by those of one segment', async () => {
    const of = (repository: string | null): Partial<AuditEntry> => ({ repository });
    await kept(login('1', of('acme/app')), login('2', of('acme/team/app')), login('3', of('acmeother/app')), login('4', of('acme')), login('5', of('library/app')), login('6', of(null)));
    const actors = async (organisation: string): Promise<unknown[]> => (await searchAudit(db.database, { organisation }, 10)).entries.map(({ actor }) => actor).toSorted();
    expect([await actors('acme'), await actors('library'), await actors('')]).toEqual([['1', '2'], ['4', '5'], []]);
  });

  it('holds what it has while the database is away, and says how much it had to give up', async () => {
    let away = true;
    const sql: Sql = (statement, values) => (away ? Promise.reject(new DependencyUnavailable('the database')) : db.database.sql(statement, values));
    const failures: unknown[] = [];
    const flaky: Database = Object.create(db.database, { sql: { value: sql } });
    const trail = new AuditTrail(flaky, { gatherMs: 1, waiting: 10, failed: (error) => failures.push(error) });
    for (let i = 0; i < 25; i += 1) trail.keep(login(`p-${i}`));
    for (const end = Date.now() + 10_000; Date.now() < end && failures.length === 0;) await delay(5);
    expect(failures).not.toEqual([]);
    away = false;
    await trail.stop();
    const { entries } = await searchAudit(db.database, {}, 100);
    expect(entries.map(({ kind, actor, count }) => [kind, actor, count]).reverse()).toEqual([...Array.from({ length: 10 }, (_, i) => ['login', `p-${i}`, 1]), ['lost', null, 15]]);
    expect(trail.dropped).toBe(15);
  });
});
