import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Database } from '@waybill/platform';
import { testDatabase } from '@waybill/testing/postgres';
import { tagMovedEvent } from '../testing/event-builder.js';
import { brokenInvariants } from '../testing/log-invariants.js';
import { PostgresEventStore } from './event-store.js';
import { SealPass } from './seal-pass.js';

const SMALL_HEAP = join(import.meta.dirname, '..', 'testing', 'small-heap-process.js');
const HEAP_MB = 64;
const EVENTS = 60;

/** As large as what the push of an index with 8,000 children makes: 2.9 MB of text, of which some 50 kB are stored. Compressed once, for that takes the time. */
async function appendLarge(database: Database, count: number): Promise<void> {
  await database.transaction(async (sql) => {
    await sql('SET LOCAL statement_timeout = 0');
    await sql(`SELECT es.append_one('large-1', NULL, gen_random_uuid(), 'Large', 1::smallint, 1, gen_random_uuid(), d.data, '{}')
      FROM (SELECT jsonb_build_object('children', jsonb_agg(jsonb_build_object('digest', 'sha256:' || repeat('1', 64), 'size', 250, 'media_type', repeat('a', 255)))) AS data
        FROM generate_series(1, 7990)) d`);
    await sql(`INSERT INTO es.stream (name, version) SELECT 'large-' || i, 1 FROM generate_series(2, $1::int) i`, [count]);
    await sql(`WITH copy AS (
        INSERT INTO es.event (gpos, event_id, stream_id, version, type, schema_version, tenant_id, repo_id, data, meta)
        SELECT nextval('es.gpos'), gen_random_uuid(), s.stream_id, 1, e.type, 1, 1, e.repo_id, e.data, e.meta FROM es.event e, es.stream s WHERE s.name <> 'large-1' RETURNING gpos
      ) INSERT INTO es.pending SELECT gpos FROM copy`);
  });
}

describe('large events', () => {
  let database: Database;
  let url: string;
  let close: () => Promise<void>;
  beforeEach(async () => {
    ({ database, url, close } = await testDatabase());
  });
  afterEach(() => close());

  it('are sealed, read and folded in a heap that does not hold them all', async () => {
    await appendLarge(database, EVENTS);
    const { stdout } = await promisify(execFile)(process.execPath, [`--max-old-space-size=${HEAP_MB}`, SMALL_HEAP, url]);
    expect(JSON.parse(stdout)).toEqual({ pending: EVENTS, read: EVENTS, sealed: EVENTS });
    expect(await brokenInvariants(database)).toEqual([]);
  }, 300_000);

  it('leave a pass full, however few they are, so that the next one follows', async () => {
    await appendLarge(database, 20);
    const pass = new SealPass(database, 1000);
    const first = await pass.run();
    expect(first.more).toBe(true);
    expect(first.sealed).toBeGreaterThan(0);
    expect(first.sealed).toBeLessThan(20);
  }, 120_000);

  it('make the next pass smaller where the server ends one, and the passes after it larger again', async () => {
    const events = Array.from({ length: 100 }, () => tagMovedEvent(randomUUID(), 't'));
    await new PostgresEventStore(database).append([{ stream: 'tag-many:t', expected: 'any', events }]);
    const pass = new SealPass(database, 40);
    await database.sql('ALTER TABLE es.log RENAME TO log_away');
    for (let i = 0; i < 2; i++) await expect(pass.run()).rejects.toThrow('es.log');
    await database.sql('ALTER TABLE es.log_away RENAME TO log');
    const counts: number[] = [];
    for (let i = 0; i < 4; i++) counts.push((await pass.run()).sealed);
    expect(counts).toEqual([10, 20, 40, 30]);
  });
});
