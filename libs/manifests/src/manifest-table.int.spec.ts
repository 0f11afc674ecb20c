import { createHash, randomUUID } from 'node:crypto';
import { parseDigest, parseRepositoryName, parseTag } from '@waybill/oci';
import type { Digest, RepositoryName } from '@waybill/oci';
import { testDatabase } from '@waybill/testing/postgres';
import { parsePush } from './manifest-push.js';
import type { ManifestPush } from './manifest-push.js';
import { ManifestTable } from './manifest-table.js';

const IMAGE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const WEEK = 604_800;

describe('the tables of manifests and tags', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  let table: ManifestTable;
  let repository: RepositoryName;

  beforeAll(async () => {
    db = await testDatabase();
    table = new ManifestTable(db.database);
  });
  afterAll(() => db.close());
  beforeEach(() => {
    repository = parseRepositoryName(`test/${randomUUID()}`);
  });

  const digestOf = (bytes: string): Digest => parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  const link = (text: string) => db.database.sql('SELECT reg.link_blob($1, false, $2, $3, gen_random_uuid(), now(), \'{}\')', [repository, digestOf(text), text.length]);
  const descriptor = (text: string) => ({ mediaType: 'application/octet-stream', digest: digestOf(text), size: text.length });
  const image = (config: string, tag: string, extra: object = {}): ManifestPush =>
    parsePush(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: IMAGE, config: descriptor(config), layers: [], ...extra })), IMAGE, parseTag(tag), []);
  const index = (child: ManifestPush, tag: string): ManifestPush =>
    parsePush(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [{ mediaType: IMAGE, digest: child.digest, size: child.bytes.length }] })), INDEX, parseTag(tag), []);
  const put = (push: ManifestPush, expected?: '' | '*' | Digest) => table.put(repository, push, false, false, expected, '{}');
  const events = async () => {
    const rows = await db.database.sql<{ type: string }>(
      'SELECT e.type FROM es.event e JOIN reg.repo r USING (repo_id) WHERE r.name = $1 ORDER BY e.gpos', [repository]);
    return rows.map(({ type }) => type);
  };
  const code = (expected: object) => expect.objectContaining(expected);

  it('append one event for what a push changes, and none for what it does not', async () => {
    await link('c');
    await put(image('c', 'v1'));
    await put(image('c', 'v1'));
    await put(image('c', 'v2'));
    expect(await events()).toEqual(['RepositoryCreated', 'BlobUploaded', 'ManifestPushed', 'TagMoved', 'TagMoved']);
  });

  it('are left alone by a push that lacks content, which names every missing digest', async () => {
    await link('c');
    const push = image('c', 'v1', { layers: [descriptor('x'), descriptor('y')] });
    await expect(put(push)).rejects.toMatchObject({ code: 'MANIFEST_BLOB_UNKNOWN', entries: [{ detail: [digestOf('x'), digestOf('y')].sort()[0] }, {}] });
    expect(await events()).toEqual(['RepositoryCreated', 'BlobUploaded']);
  });

  it('refuse a size that the stored content does not have', async () => {
    await link('c');
    await link('layer');
    await expect(put(image('c', 'v1', { layers: [{ ...descriptor('layer'), size: 4 }] }))).rejects.toEqual(code({ code: 'MANIFEST_INVALID', status: 400 }));
  });

  it('move a tag only from where a conditional push expects it, and undo the whole push otherwise', async () => {
    await link('a');
    await link('b');
    const [first, second] = [image('a', 't'), image('b', 't')];
    await expect(put(first, '*')).rejects.toEqual(code({ status: 412 }));
    await put(first, '');
    await expect(put(second, '')).rejects.toEqual(code({ status: 412 }));
    await expect(put(second, second.digest)).rejects.toEqual(code({ status: 412 }));
    await expect(table.get(repository, second.digest)).rejects.toEqual(code({ code: 'MANIFEST_UNKNOWN' }));
    await put(second, first.digest);
    expect((await table.get(repository, parseTag('t'))).digest).toBe(second.digest);
  });

  it('hold exactly one winner of many conditional pushes of one new tag', async () => {
    const pushes = await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      await link(`config ${i}`);
      return image(`config ${i}`, 't');
    }));
    const outcomes = await Promise.allSettled(pushes.map((push) => put(push, '')));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('give a tag that many pushers move a gapless history that ends where the tag stands', async () => {
    const pushes = await Promise.all(Array.from({ length: 8 }, async (_, i) => {
      await link(`config ${i}`);
      return image(`config ${i}`, 't');
    }));
    await Promise.all(Array.from({ length: 40 }, (_, i) => put(pushes[i % 8] ?? image('', 't'))));
    const history = await db.database.sql<{ version: string; open: boolean; follows: boolean }>(
      `SELECT h.version, h.to_gpos IS NULL AS open, lag(h.to_gpos) OVER (ORDER BY h.version) IS NOT DISTINCT FROM h.from_gpos AS follows
       FROM reg.tag_history h JOIN reg.repo r USING (repo_id) WHERE r.name = $1 ORDER BY h.version`, [repository]);
    expect(history.map(({ version }) => Number(version))).toEqual(history.map((_, i) => i + 1));
    expect(history.slice(1).every(({ follows }) => follows)).toBe(true);
    expect(history.map(({ open }) => open)).toEqual(history.map((_, i) => i === history.length - 1));
    const [at] = await db.database.sql<{ same: boolean }>(
      `SELECT t.manifest_id = h.manifest_id AND t.version = h.version AS same FROM reg.tag t JOIN reg.repo r USING (repo_id)
       JOIN reg.tag_history h ON h.repo_id = t.repo_id AND h.name = t.name AND h.to_gpos IS NULL WHERE r.name = $1`, [repository]);
    expect(at?.same).toBe(true);
  });

  it('take one new manifest from many pushers at once: one event, all succeed', async () => {
    await link('c');
    await Promise.all(Array.from({ length: 8 }, (_, i) => put(image('c', `t${i}`))));
    expect((await events()).filter((type) => type === 'ManifestPushed')).toHaveLength(1);
  });

  it('never hold a live manifest whose blob was unlinked, whoever comes first', async () => {
    for (let round = 0; round < 40; round++) {
      await link(`c${round}`);
      const digest = digestOf(`c${round}`);
      const [pushed, unlinked] = await Promise.all([
        put(image(`c${round}`, 't')).then(() => true, () => false),
        db.database.sql<{ outcome: string }>('SELECT reg.unlink_blob_v1($1, $2, \'{}\') AS outcome', [repository, digest]),
      ]);
      expect([pushed, unlinked[0]?.outcome]).toEqual(pushed ? [true, 'in_use'] : [false, 'unlinked']);
    }
  });

  it('never hold a live index whose child was deleted, whoever comes first', async () => {
    for (let round = 0; round < 40; round++) {
      await link(`c${round}`);
      const child = image(`c${round}`, `t${round}`);
      await put(child);
      const [pushed, needed] = await Promise.all([
        put(index(child, 'index')).then(() => true, () => false),
        table.delete(repository, child.digest, WEEK, '{}'),
      ]);
      expect(needed !== undefined).toBe(pushed);
    }
  });

  it('take the tags of a deleted manifest along, keep its references for an undelete, and push it anew', async () => {
    await link('c');
    const push = image('c', 'v1', { subject: descriptor('subject') });
    await put(push);
    await put({ ...push, tags: [parseTag('v2')] });
    expect(await table.delete(repository, push.digest, WEEK, '{}')).toBeUndefined();
    for (const tag of ['v1', 'v2']) await expect(table.get(repository, parseTag(tag))).rejects.toEqual(code({ code: 'MANIFEST_UNKNOWN' }));
    await expect(table.delete(repository, push.digest, WEEK, '{}')).rejects.toEqual(code({ code: 'MANIFEST_UNKNOWN' }));
    const [kept] = await db.database.sql<{ refs: string; referrers: string }>(
      `SELECT (SELECT count(*) FROM reg.ref f JOIN reg.manifest m USING (manifest_id) WHERE m.digest = $1) AS refs, (SELECT count(*) FROM reg.referrer f WHERE f.digest = $1) AS referrers`, [push.digest]);
    expect(kept).toEqual({ refs: '1', referrers: '0' });
    await put(push);
    expect((await table.get(repository, parseTag('v1'))).digest).toBe(push.digest);
    expect(await events()).toEqual(['RepositoryCreated', 'BlobUploaded', 'ManifestPushed', 'TagMoved', 'TagMoved', 'TagDeleted', 'TagDeleted', 'ManifestDeleted', 'ManifestPushed', 'TagMoved']);
  });

  it('hold a foreign layer that the repository has, and let one be absent that it has not', async () => {
    await link('c');
    await link('here');
    const foreign = (text: string) => ({ ...descriptor(text), mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' });
    await put(image('c', 't', { layers: [foreign('here'), foreign('elsewhere')] }));
    const refs = await db.database.sql<{ digest: string }>(
      'SELECT b.digest FROM reg.ref f JOIN reg.blob b USING (blob_id) JOIN reg.repo r USING (repo_id) WHERE r.name = $1', [repository]);
    expect(refs.map(({ digest }) => digest).sort()).toEqual([digestOf('c'), digestOf('here')].sort());
    const [event] = await db.database.sql<{ layers: object[] }>(
      `SELECT e.data -> 'layers' AS layers FROM es.event e JOIN reg.repo r USING (repo_id) WHERE r.name = $1 AND e.type = 'ManifestPushed'`, [repository]);
    expect(event?.layers).toEqual([{ digest: digestOf('here'), size: 4 }, { digest: digestOf('elsewhere'), size: 9, external: true }]);
  });

  it('take pushes and deletes of one tag at the same time without a deadlock', async () => {
    await link('c');
    const push = image('c', 't');
    const deadlocks = async () => (await db.database.sql<{ deadlocks: string }>('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'))[0]?.deadlocks;
    const before = await deadlocks();
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.allSettled(Array.from({ length: 16 }, (_, i) => (i % 2 ? put(push) : table.deleteTag(repository, parseTag('t'), '{}'))));
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'MANIFEST_UNKNOWN' });
      }
    }
    expect(await deadlocks()).toBe(before);
  });

  it('refuse a manifest of thousands of unknown layers in linear time', async () => {
    await link('c');
    await db.database.sql('SELECT reg.link_blob($1, false, \'sha256:\' || encode(sha256(i::text::bytea), \'hex\'), 1, gen_random_uuid(), now(), \'{}\') FROM generate_series(1, 2000) i', [repository]);
    const known = Array.from({ length: 2000 }, (_, i) => ({ ...descriptor(String(i + 1)), size: 1 }));
    const unknown = Array.from({ length: 2000 }, (_, i) => descriptor(`unknown ${i}`));
    const missing = async (layers: object[]) => {
      const push = image('c', 't', { layers });
      const start = performance.now();
      await expect(put(push)).rejects.toMatchObject({ code: 'MANIFEST_BLOB_UNKNOWN', entries: { length: layers.length / 2 } });
      return performance.now() - start;
    };
    const few = await missing([...known.slice(0, 200), ...unknown.slice(0, 200)]);
    const many = await missing([...known, ...unknown]);
    expect(many).toBeLessThan(30 * Math.max(few, 5));
  });

  it('are refused to a transaction that would not look again after a lock', async () => {
    const push = image('c', 't');
    await expect(db.database.transaction(async (sql) => {
      await sql('SELECT * FROM reg.put_manifest_v1($1, false, $2, $3, $4, NULL, NULL, NULL, \'{}\', \'{}\', \'{}\', \'{}\', \'{}\', false, \'{}\', NULL, \'{}\', \'{}\')', [repository, push.digest, push.mediaType, push.bytes]);
    }, 'repeatable read')).rejects.toThrow('READ COMMITTED');
  });
});
