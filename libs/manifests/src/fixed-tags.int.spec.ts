import { randomUUID } from 'node:crypto';
import { parseDigest, parseRepositoryName, parseTag } from '@waybill/oci';
import type { Digest, RepositoryName } from '@waybill/oci';
import { ByteCache } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';
import { parsePush } from './manifest-push.js';
import type { ManifestPush } from './manifest-push.js';
import { ManifestTable } from './manifest-table.js';
import { Manifests } from './manifests.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';

/** A manifest that needs nothing else, different for each text. */
function manifest(text: string, ...tags: readonly string[]): ManifestPush {
  const [first = 'v1', ...others] = tags;
  return parsePush(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: { text } })), INDEX, parseTag(first), others.map(parseTag));
}

describe('a tag that may be made and not moved', () => {
  let db: TestDatabase;
  let table: ManifestTable;
  let manifests: Manifests;
  let repository: RepositoryName;

  beforeAll(async () => {
    db = await testDatabase();
    table = new ManifestTable(db.database);
    manifests = new Manifests(table, new ByteCache(0), { mustExist: () => false, sparse: () => false, undeleteSeconds: 0 });
  });
  afterAll(() => db.close());
  beforeEach(() => {
    repository = parseRepositoryName(`fixed/${randomUUID()}`);
  });

  const push = (what: ManifestPush, fixed: readonly string[], expected?: '' | '*' | Digest) => manifests.push(repository, what, expected, fixed, '{}');
  const at = async (tag: string): Promise<string> => (await table.get(repository, parseTag(tag))).digest;
  const denied = expect.objectContaining({ status: 403, code: 'DENIED', message: expect.stringContaining('overwrite') });

  it('is made, and made again by the same push', async () => {
    await push(manifest('a', 'v1'), ['v1']);
    await push(manifest('a', 'v1'), ['v1']);
    expect(await at('v1')).toBe(manifest('a').digest);
    const moved = await db.database.sql('SELECT 1 FROM es.event e JOIN reg.repo r USING (repo_id) WHERE r.name = $1 AND e.type = \'TagMoved\'', [repository]);
    expect(moved).toHaveLength(1);
  });

  it('is not moved: 403 that names the rule, and nothing was written', async () => {
    await push(manifest('a', 'v1'), []);
    await expect(push(manifest('b', 'v1'), ['v1'])).rejects.toEqual(denied);
    expect(await at('v1')).toBe(manifest('a').digest);
    await expect(table.get(repository, manifest('b').digest)).rejects.toMatchObject({ status: 404 });
  });

  it('keeps the whole push from happening, whichever of its tags it is', async () => {
    await push(manifest('a', 'v1'), []);
    await expect(push(manifest('b', 'new', 'v1', 'other'), ['v1', 'new'])).rejects.toEqual(denied);
    for (const tag of ['new', 'other']) await expect(table.get(repository, parseTag(tag))).rejects.toMatchObject({ status: 404 });
  });

  it('stands beside tags that may move', async () => {
    await push(manifest('a', 'latest', 'v1'), []);
    await push(manifest('b', 'latest', 'v2'), ['v2']);
    expect([await at('latest'), await at('v1'), await at('v2')]).toEqual([manifest('b').digest, manifest('a').digest, manifest('b').digest]);
    // one that stands here already, one that is new
    await push(manifest('b', 'v2', 'v3'), ['v2', 'v3']);
    expect(await at('v3')).toBe(manifest('b').digest);
  });

  it('is not moved by a push that names where it stands (If-Match), and holds with If-None-Match', async () => {
    await push(manifest('a', 'v1'), []);
    const here = parseDigest(await at('v1'));
    await expect(push(manifest('b', 'v1'), ['v1'], here)).rejects.toEqual(denied);
    await expect(push(manifest('b', 'v1'), ['v1'], '*')).rejects.toEqual(denied);
    await expect(push(manifest('b', 'v1'), ['v1'], '')).rejects.toMatchObject({ status: 412 });
    await push(manifest('a', 'v1'), ['v1'], here);
    expect(await at('v1')).toBe(manifest('a').digest);
  });

  it('that was deleted may be made again', async () => {
    await push(manifest('a', 'v1'), ['v1']);
    await manifests.deleteTag(repository, parseTag('v1'), '{}');
    await push(manifest('b', 'v1'), ['v1']);
    expect(await at('v1')).toBe(manifest('b').digest);
  });

  it('is made by one of many that push it at once, and every other one is refused', async () => {
    for (let round = 0; round < 10; round++) {
      const tag = `race-${round}`;
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => push(manifest(`${round} ${i}`, tag), [tag])));
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toEqual(denied);
      const [won = -1] = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [i] : []));
      expect(await at(tag)).toBe(manifest(`${round} ${won}`).digest);
    }
  });
});
