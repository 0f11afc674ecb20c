import { createHash } from 'node:crypto';
import { parseDigest, parseRepositoryName } from '@waybill/oci';
import { testDatabase } from '@waybill/testing/postgres';
import { LinkFilter } from './link-filter.js';

describe('the filter of links', () => {
  let db: Awaited<ReturnType<typeof testDatabase>>;
  const unexpected = (error: unknown) => {
    throw error;
  };
  const repository = (name: number) => parseRepositoryName(`team/app${name}`);
  const digest = (number: number, algorithm = 'sha256') => parseDigest(`${algorithm}:${createHash(algorithm).update(`blob ${number}`).digest('hex')}`);
  const link = (name: number, first: number, count: number) => db.database.sql(
    `WITH t AS (INSERT INTO reg.tenant (name) VALUES ('team') ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING tenant_id),
       r AS (INSERT INTO reg.repo (repo_id, tenant_id, name) SELECT gen_random_uuid(), tenant_id, $1 FROM t RETURNING repo_id),
       b AS (INSERT INTO reg.blob (digest, generation, size, storage_key) SELECT d, 1, 1, gen_random_uuid() FROM unnest($2::text[]) d RETURNING blob_id)
     INSERT INTO reg.blob_link (repo_id, blob_id) SELECT r.repo_id, b.blob_id FROM r, b`,
    [repository(name), Array.from({ length: count }, (_, i) => digest(first + i))]);

  beforeAll(async () => {
    db = await testDatabase();
    await link(1, 0, 2500);
    await link(2, 10_000, 3);
  });
  afterAll(() => db.close());

  it('never denies a link: neither one that was there before nor one that is added, also while it reads', async () => {
    const filter = new LinkFilter(db.database, true, unexpected);
    filter.start();
    filter.add(repository(3), digest(1, 'sha512'));
    while (filter.mayHave(repository(9), digest(9))) await new Promise((resolve) => setTimeout(resolve, 5));
    for (let i = 0; i < 2500; i++) expect(filter.mayHave(repository(1), digest(i))).toBe(true);
    for (let i = 0; i < 3; i++) expect(filter.mayHave(repository(2), digest(10_000 + i))).toBe(true);
    expect(filter.mayHave(repository(3), digest(1, 'sha512'))).toBe(true);
  });

  it('denies nearly all others, those of other repositories included', async () => {
    const filter = new LinkFilter(db.database, true, unexpected);
    filter.start();
    while (filter.mayHave(repository(9), digest(9))) await new Promise((resolve) => setTimeout(resolve, 5));
    let wrong = 0;
    for (let i = 0; i < 2500; i++) if (filter.mayHave(repository(2), digest(i)) || filter.mayHave(repository(1), digest(20_000 + i))) wrong++;
    expect(wrong).toBeLessThan(5);
  });

  it('denies nothing before it has read everything, nor where others write to the database', async () => {
    const early = new LinkFilter(db.database, true, unexpected);
    expect(early.mayHave(repository(9), digest(9))).toBe(true);
    const shared = new LinkFilter(db.database, false, unexpected);
    shared.start();
    await shared.stop();
    expect(shared.mayHave(repository(9), digest(9))).toBe(true);
  });

  it('tells of a database that does not answer, denies nothing then, and tries again', async () => {
    const failures: unknown[] = [];
    await db.database.sql('ALTER TABLE reg.blob_link RENAME TO hidden');
    const filter = new LinkFilter(db.database, true, (error) => failures.push(error), 20);
    filter.start();
    while (failures.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(filter.mayHave(repository(9), digest(9))).toBe(true);
    await db.database.sql('ALTER TABLE reg.hidden RENAME TO blob_link');
    while (filter.mayHave(repository(9), digest(9))) await new Promise((resolve) => setTimeout(resolve, 5));
    await filter.stop();
  });
});
