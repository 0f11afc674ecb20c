import { setTimeout as delay } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import type { Sql, Statement } from '@waybill/platform';
import { PgDatabase } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { tagMovedEvent } from '../testing/event-builder.js';
import { eventually } from '../testing/eventually.js';
import { PostgresEventStore } from './event-store.js';
import { Sealer } from './sealer.js';

jest.setTimeout(60_000);

/** Keeps the names of the statements that go through it, those of transactions with a `*`. */
class ListingDatabase extends PgDatabase {
  readonly statements: string[] = [];
  override readonly sql: Sql = ((inner: Sql): Sql => (statement, values) => {
    this.statements.push(nameOf(statement));
    return inner(statement, values);
  })(this.sql);

  override transaction<T>(work: (sql: Sql) => Promise<T>, isolation?: 'read committed' | 'repeatable read'): Promise<T> {
    return super.transaction((sql) => work((statement, values) => {
      this.statements.push(`${nameOf(statement)}*`);
      return sql(statement, values);
    }), isolation);
  }
}

function nameOf(statement: Statement | string): string {
  return typeof statement === 'string' ? statement : statement.name;
}

describe('the sealer', () => {
  let test: TestDatabase;
  let listed: ListingDatabase;
  const sealers: Sealer[] = [];
  beforeEach(async () => {
    test = await testDatabase();
    listed = new ListingDatabase({ url: test.url, poolSize: 3 });
  });
  afterEach(async () => {
    await Promise.all(sealers.splice(0).map((sealer) => sealer.stop()));
    await listed.close();
    await test.close();
  });

  const started = (database: PgDatabase, options: ConstructorParameters<typeof Sealer>[1] = {}) => {
    const sealer = new Sealer(database, options);
    sealers.push(sealer);
    sealer.start();
    return sealer;
  };
  const append = (count = 1) => new PostgresEventStore(test.database).append([
    { stream: `tag-${randomUUID()}:t`, expected: 'any', events: Array.from({ length: count }, () => tagMovedEvent(randomUUID(), 't')) },
  ]);
  const sealed = (count: number) => eventually(async () => expect((await sealers[0]?.lag())?.lastSeq).toBe(count));

  it('numbers what another process appended, without being poked', async () => {
    started(listed);
    await append(3);
    await sealed(3);
  });

  it('gathers the events of many pokes into one pass, and notifies once after it, outside its transaction', async () => {
    const heard: string[] = [];
    const unlisten = await test.database.listen('log', (payload) => heard.push(payload));
    const sealer = started(listed, { gatherMs: 200, pollMs: 60_000 });
    for (let i = 0; i < 10; i++) {
      await append();
      sealer.poke();
    }
    await sealed(10);
    await eventually(() => Promise.resolve(expect(heard).toEqual(['10'])));
    expect(listed.statements.filter((name) => name.startsWith('es-seal-') && name !== 'es-seal-lag' && name !== 'es-seal-pending')).toEqual(
      ['es-seal-lock*', 'es-seal-take*', 'es-seal-number*', 'es-seal-notify']);
    await unlisten();
  });

  it('costs an idle registry four probes a second and nothing else', async () => {
    started(listed);
    await eventually(() => Promise.resolve(expect(listed.statements).toContain('es-seal-pending')));
    listed.statements.length = 0;
    await delay(1_000);
    expect(new Set(listed.statements)).toEqual(new Set(['es-seal-pending']));
    expect(listed.statements.length).toBeLessThanOrEqual(5);
  });

  it('tells how old the oldest event without a number is', async () => {
    const sealer = new Sealer(test.database);
    expect(await sealer.lag()).toEqual({ lastSeq: 0, pendingSeconds: 0 });
    await append(2);
    await delay(300);
    const lag = await sealer.lag();
    expect(lag.pendingSeconds).toBeGreaterThan(0.25);
    expect(await sealer.drain()).toBe(2);
    expect(await sealer.lag()).toEqual({ lastSeq: 2, pendingSeconds: 0 });
  });

  it('takes over from a holder that died without giving the lease back', async () => {
    await test.database.sql(`INSERT INTO es.consumer (name, version, shard, owner, fence, lease_until) VALUES ('es.sealer', 0, 0, 'dead', 1, now() + interval '1 hour')`);
    started(listed, { standbyMs: 50 });
    await append(2);
    await sealed(2);
  });

  it('leaves the work to the holder of the lease while that one lives', async () => {
    started(test.database, { pollMs: 5, gatherMs: 5 });
    await append();
    await sealed(1);
    started(listed, { standbyMs: 300 });
    let appended = 1;
    for (const end = performance.now() + 3_000; performance.now() < end; appended++) await append();
    await sealed(appended);
    expect(listed.statements.filter((name) => name === 'es-seal-pending').length).toBeGreaterThan(5);
    expect(listed.statements).not.toContain('es-seal-lock*');
  });

  it('goes on by itself after the database was away', async () => {
    const failures: unknown[] = [];
    const sealer = started(listed, { pollMs: 20, failed: (error) => failures.push(error) });
    await append();
    await sealed(1);
    await test.database.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    await append();
    sealer.poke();
    await sealed(2);
  });

  it('stops cleanly: nothing runs afterwards, and it can be started again', async () => {
    const sealer = started(listed, { pollMs: 10 });
    await append();
    await sealed(1);
    await sealer.stop();
    listed.statements.length = 0;
    await append();
    sealer.poke();
    await delay(100);
    expect(listed.statements).toEqual([]);
    sealer.start();
    await sealed(2);
  });
});
