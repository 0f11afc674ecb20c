import { setTimeout as delay } from 'node:timers/promises';
import { Commands, Repositories, RepositoryDeletions } from '@waybill/access';
import { verifyLog } from '@waybill/event-log/postgres';
import { PushHistory } from '@waybill/event-log/testing';
import { parseRepositoryName } from '@waybill/oci';
import { sqlState } from '@waybill/platform';
import type { Sql } from '@waybill/platform';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

const APP = parseRepositoryName('library/app');
const HUGE = parseRepositoryName('library/huge');
const META = { request_id: 'the deletion', auth_kind: 'user' };

let db: TestDatabase;
let history: PushHistory;

beforeEach(async () => {
  db = await testDatabase({ poolSize: 30 });
  history = new PushHistory(db.database.sql);
});
afterEach(() => db.close());

const deletionsOf = (step?: number): RepositoryDeletions => new RepositoryDeletions(db.database, { appended: () => undefined, ...(step === undefined ? {} : { step }) });
const repositories = (deletions: Pick<RepositoryDeletions, 'poke'> = deletionsOf()): Repositories => new Repositories(new Commands(db.database), { deletions, undeleteSeconds: 3600 });
/** One call, of at most two things. */
const step = async (): Promise<string> => (await db.database.sql<{ outcome: string }>('SELECT access.continue_deletions_v1(2) AS outcome'))[0]?.outcome ?? '';
/** As if the process had ended right behind the first transaction. */
const later = { poke: () => Promise.resolve() };
const order = { meta: META };

/** Rows of the repository by table; none of a table that has none. */
async function rowsOf(repo: string): Promise<Record<string, number>> {
  const counts = ['repo', 'tag', 'blob_link', 'referrer', 'manifest', 'ref'].map((table) => `SELECT '${table}' AS name, count(*)::int AS rows FROM reg.${table} WHERE repo_id = $1`);
  const rows = await db.database.sql<{ name: string; rows: number }>(`${counts.join(' UNION ALL ')} UNION ALL SELECT 'live', count(*)::int FROM reg.manifest WHERE repo_id = $1 AND state = 'live'`, [repo]);
  return Object.fromEntries(rows.flatMap(({ name, rows: count }) => (count > 0 ? [[name, count]] : [])));
}
async function idOf(name: string): Promise<string> {
  return (await db.database.sql<{ id: string }>('SELECT repo_id AS id FROM reg.repo WHERE name = $1', [name]))[0]?.id ?? 'none';
}
const typesSince = async (gpos: number): Promise<string[]> => (await db.database.sql<{ type: string }>('SELECT DISTINCT type FROM es.event WHERE gpos > $1 ORDER BY type', [gpos])).map(({ type }) => type);
const lastGpos = async (): Promise<number> => Number((await db.database.sql<{ gpos: string }>('SELECT max(gpos) AS gpos FROM es.event'))[0]?.gpos);

/** What the compacted topic of tags comes to (relay-messages): the last event of each key, in the order of the log. */
async function tagsByLog(): Promise<Record<string, string>> {
  const events = await db.database.sql<{ type: string; tag: string; digest: string | null; name: string }>(
    `SELECT e.type, e.data ->> 'tag' AS tag, e.data ->> 'to_digest' AS digest, e.meta ->> 'repo_name' AS name FROM es.event e WHERE e.type LIKE 'Tag%' AND e.meta ->> 'repo_name' = $1 ORDER BY e.gpos`, [APP]);
  const tags = new Map<string, string>();
  for (const { type, tag, digest } of events) {
    if (type === 'TagMoved' && digest !== null) tags.set(tag, digest);
    else tags.delete(tag);
  }
  return Object.fromEntries(tags);
}
async function tagsByState(): Promise<Record<string, string>> {
  const rows = await db.database.sql<{ name: string; digest: string }>('SELECT t.name, m.digest FROM reg.repo r JOIN reg.tag t USING (repo_id) JOIN reg.manifest m USING (manifest_id) WHERE r.name = $1', [APP]);
  return Object.fromEntries(rows.map(({ name, digest }) => [name, digest]));
}

describe('a repository that is deleted', () => {
  it('leaves nothing but what an undelete needs, and the log accounts for every row', async () => {
    await history.everything();
    const [repo, other, before] = [await idOf(APP), await idOf('acme/third'), await lastGpos()];
    const others = await rowsOf(other);
    const { manifest = 0, ref = 0 } = await rowsOf(repo);
    await repositories().delete(order, APP);
    expect(await rowsOf(repo)).toEqual({ manifest, ref });
    expect(await rowsOf(other)).toEqual(others);
    expect(await typesSince(before)).toEqual(['BlobUnlinked', 'ManifestDeleted', 'RepositoryDeleted', 'TagDeleted']);
    expect(await db.database.sql(`SELECT DISTINCT meta ->> 'request_id' AS request, meta ->> 'repo_name' AS name FROM es.event WHERE gpos > $1`, [before])).toEqual([{ request: 'the deletion', name: APP }]);
    expect(await db.database.sql(`SELECT 1 FROM reg.manifest WHERE repo_id = $1 AND purge_after NOT BETWEEN now() + interval '50 minutes' AND now() + interval '61 minutes' AND deleted_at > now() - interval '10 s' AND digest IN
      (SELECT data ->> 'digest' FROM es.event WHERE gpos > $2)`, [repo, before])).toEqual([]);
    expect((await verifyLog(db.database)).differences).toEqual([]);
  });

  it('takes from everybody what a public one had given them', async () => {
    await history.push(APP, 'open');
    await repositories().setVisibility(order, APP, 'public');
    await repositories().delete(order, APP);
    expect(await db.database.sql(`SELECT data ->> 'visibility' AS was, data -> 'narrows' AS narrows FROM es.event WHERE type = 'RepositoryDeleted'`)).toEqual([{ was: 'public', narrows: { organisations: { library: 1 } } }]);
    await history.push(APP, 'anew');
    expect(await db.database.sql('SELECT 1 FROM access.public_repository')).toEqual([]);
    expect((await verifyLog(db.database)).differences).toEqual([]);
  });

  it('is made anew by the next push, with another id and nothing of the old one', async () => {
    const config = await history.upload(APP, 'config');
    await history.push(APP, 'old', { blobs: [config], tags: ['1.0', 'latest'] });
    const old = await idOf(APP);
    await repositories().delete(order, APP);
    // the blob is there, and not in the new repository
    await expect(history.push(APP, 'old', { blobs: [config], tags: ['latest'] })).rejects.toThrow('missing');
    await history.upload(APP, 'config');
    await history.push(APP, 'new', { blobs: [config], tags: ['latest'] });
    expect(await idOf(APP)).not.toBe(old);
    expect(Object.keys(await tagsByState())).toEqual(['latest']);
    expect(await tagsByLog()).toEqual(await tagsByState());
    expect((await verifyLog(db.database)).differences).toEqual([]);
  });

  it('is gone with its first step; whoever comes next does the rest, and until then its name is not free', async () => {
    for (let i = 0; i < 20; i += 1) await history.push(APP, `image ${i}`, { blobs: [await history.upload(APP, `layer ${i}`)], tags: [`v${i}`] });
    const repo = await idOf(APP);
    await repositories(later).delete(order, APP);
    expect([await idOf(APP), (await rowsOf(repo))['tag']]).toEqual(['none', 20]);
    const pushed = history.push(APP, 'too early').then(() => 'done', sqlState);
    expect(await pushed).toBe('55P03');
    expect(await repositories().find(APP)).toBeUndefined();
    // three at once, each of whom dies behind some step
    await Promise.all([3, 5, 7].map(async (step) => {
      const dying = deletionsOf(step);
      const done = dying.poke();
      await delay(20);
      await dying.stop();
      await done;
    }));
    await deletionsOf(4).poke();
    expect(Object.keys(await rowsOf(repo))).toEqual(['manifest', 'ref']);
    await history.push(APP, 'anew', { tags: ['v1'] });
    expect(await tagsByLog()).toEqual(await tagsByState());
    expect((await verifyLog(db.database)).differences).toEqual([]);
  });

  it('takes turns with others: a small one is over, and its name free, while a huge one goes on that was deleted before it', async () => {
    for (let i = 0; i < 30; i += 1) await history.push(HUGE, `image ${i}`, { tags: [`v${i}`] });
    await history.push(APP, 'small', { tags: ['latest'] });
    const huge = await idOf(HUGE);
    for (const name of [HUGE, APP]) await repositories(later).delete(order, name);
    // each needs a look and four steps: the last thing of each kind is followed by a step that finds none
    for (let i = 0; i < 12; i += 1) expect(await step()).toBe('more');
    expect((await rowsOf(huge))['tag']).toBeGreaterThan(10);
    await history.push(APP, 'anew', { tags: ['v1'] });
    // one that comes later does not wait either
    await repositories(later).delete(order, APP);
    for (let i = 0; i < 12; i += 1) await step();
    await history.push(APP, 'once more', { tags: ['v2'] });
    expect((await rowsOf(huge))['tag']).toBeGreaterThan(0);
    await deletionsOf().poke();
    expect([await step(), Object.keys(await rowsOf(huge))]).toEqual(['none', ['manifest']]);
    expect((await verifyLog(db.database)).differences).toEqual([]);
  });

  it('does not keep another one waiting that waits for nobody', async () => {
    await history.push(HUGE, 'first', { tags: ['v1', 'v2', 'v3'] });
    await history.push(APP, 'first', { tags: ['latest'] });
    const [repo, huge] = [await idOf(APP), await idOf(HUGE)];
    await repositories(later).delete(order, HUGE);
    expect(await step()).toBe('more');
    await db.database.transaction(async (sql: Sql) => {
      await sql('SELECT repo_id FROM reg.repo WHERE name = $1', [APP]);
      await repositories(later).delete(order, APP);
      let outcome = '';
      for (let i = 0; i < 12 && outcome !== 'waiting'; i += 1) outcome = await step();
      expect([outcome, (await rowsOf(huge))['tag'], (await rowsOf(repo))['tag']]).toEqual(['waiting', undefined, 1]);
    });
    await deletionsOf().poke();
    expect((await rowsOf(repo))['tag']).toBeUndefined();
  });

  it('waits for a push that has found it, which is deleted with the rest', async () => {
    await history.push(APP, 'first', { tags: ['latest'] });
    const repo = await idOf(APP);
    let deleted: Promise<void> = Promise.resolve();
    await db.database.transaction(async (sql: Sql) => {
      // as far as a push gets before it writes
      await sql('SELECT repo_id FROM reg.repo WHERE name = $1', [APP]);
      await repositories(later).delete(order, APP);
      deleted = deletionsOf().poke();
      await delay(300);
      expect((await rowsOf(repo))['tag']).toBe(1);
      // the row that the push has found before
      await sql(`INSERT INTO reg.repo (repo_id, tenant_id, name) SELECT repo_id, tenant_id, 'stand-in' FROM reg.repo_deletion`);
      await new PushHistory(sql).push('stand-in', 'late', { tags: ['late'] });
      await sql(`DELETE FROM reg.repo WHERE name = 'stand-in'`);
    });
    await deleted;
    expect(await rowsOf(repo)).toEqual({ manifest: 2 });
    expect(await tagsByLog()).toEqual({});
  });

  it('is waited with ever more seldom, and is emptied soon after: a backup may hold it up for hours', async () => {
    await history.push(APP, 'first', { tags: ['latest'] });
    const repo = await idOf(APP);
    let looks = 0;
    const sql: Sql = (statement, values) => {
      looks += 1;
      return db.database.sql(statement, values);
    };
    const deletions = new RepositoryDeletions({ sql }, { appended: () => undefined });
    let deleted: Promise<void> = Promise.resolve();
    await db.database.transaction(async (reader: Sql) => {
      await reader('SELECT count(*) FROM reg.repo');
      await repositories(later).delete(order, APP);
      deleted = deletions.poke();
      await delay(3_000);
    });
    expect(looks).toBeLessThan(10);
    await deleted;
    expect(await rowsOf(repo)).toEqual({ manifest: 1 });
    // whoever stops does not wait for the next look
    await db.database.transaction(async (reader: Sql) => {
      await history.push(APP, 'second', { tags: ['latest'] });
      await reader('SELECT count(*) FROM reg.repo');
      await repositories(later).delete(order, APP);
      const other = new RepositoryDeletions(db.database, { appended: () => undefined });
      void other.poke();
      await delay(2_000);
      const since = performance.now();
      await other.stop();
      expect(performance.now() - since).toBeLessThan(500);
    });
  });

  it('is deleted or made anew, and never half, while others push', async () => {
    const outcomes = new Map<string, number>();
    let pushing = true;
    const pushers = Array.from({ length: 6 }, async (_, pusher) => {
      for (let i = 0; pushing; i += 1) {
        const outcome = await (async () => {
          const layer = await history.upload(APP, `layer ${i % 5}`);
          await history.push(APP, `image ${pusher} ${i % 7}`, { blobs: [layer], tags: [`t${pusher}`, 'latest'] });
          return 'pushed';
        })().catch((error: unknown) => sqlState(error) ?? (String(error).includes('missing') ? 'missing' : String(error)));
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }
    });
    let deleted = 0;
    for (let i = 0; i < 15; i += 1) {
      await delay(100);
      deleted += await repositories().delete(order, APP).then(() => 1, () => 0);
    }
    pushing = false;
    await Promise.all(pushers);
    await deletionsOf().poke();
    expect(deleted).toBeGreaterThan(5);
    // 55P03 and a missing blob are told to the client, who tries again
    for (const outcome of outcomes.keys()) expect(['pushed', 'missing', '55P03']).toContain(outcome);
    expect(outcomes.get('pushed')).toBeGreaterThan(10);
    expect(await db.database.sql('SELECT t.name FROM reg.tag t LEFT JOIN reg.repo r USING (repo_id) WHERE r.repo_id IS NULL')).toEqual([]);
    expect(await db.database.sql('SELECT 1 FROM reg.blob_link l LEFT JOIN reg.repo r USING (repo_id) WHERE r.repo_id IS NULL')).toEqual([]);
    expect(await db.database.sql(`SELECT 1 FROM reg.manifest m LEFT JOIN reg.repo r USING (repo_id) WHERE r.repo_id IS NULL AND m.state = 'live'`)).toEqual([]);
    expect(await tagsByLog()).toEqual(await tagsByState());
    expect((await verifyLog(db.database)).differences).toEqual([]);
  });
});
