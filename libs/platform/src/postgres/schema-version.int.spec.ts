import { jest } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { PgDatabase } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate } from './migrations.js';
import { awaitSchema } from './schema-version.js';

jest.setTimeout(60_000);
const root = mkdtempSync(join(tmpdir(), 'wb-schema-version-'));
const directory = pathToFileURL(`${root}/`);
let server: EmbeddedPostgres;
let owner: PgDatabase;

/** Begins to wait; `done` tells whether it has ended, `said` what it said. */
function wait(url: string): { readonly said: string[]; readonly ended: Promise<void>; done: () => boolean } {
  let done = false;
  const said: string[] = [];
  const ended = awaitSchema(url, (what) => said.push(what), directory).then(() => void (done = true));
  return { said, ended, done: () => done };
}

/** Until it has said something, which it does at its first look. */
async function told({ said }: { readonly said: string[] }): Promise<void> {
  for (const end = Date.now() + 20_000; said.length === 0 && Date.now() < end; await delay(25));
}

describe('awaitSchema', () => {
  beforeAll(async () => {
    server = await EmbeddedPostgres.start({ dataDirectory: join(root, 'data'), settings: { fsync: 'off' } });
    owner = new PgDatabase({ url: server.url });
    writeFileSync(join(root, '0001-first.sql'), 'CREATE TABLE public.waybill_rights (id int PRIMARY KEY, migration bigint NOT NULL);');
  });

  afterAll(async () => {
    await owner.close();
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  });

  it('waits for the role, the schema, the version and the rights, one after the other, and says for which', async () => {
    const service = server.url.replace('waybill@', 'service@');
    const early = wait(service);
    await told(early);
    expect(early.said.join()).toContain('it does not let this user in (28000)');

    await owner.sql('CREATE ROLE service LOGIN');
    const noSchema = wait(service);
    await told(noSchema);
    expect(noSchema.said.join()).toContain('the set-up step: the database has no schema that this role may use yet');

    await migrate(server.url, directory);
    await owner.sql('GRANT SELECT ON public.waybill_migrations, public.waybill_rights TO service');
    const noRights = wait(service);
    await told(noRights);
    expect(noRights.said).toEqual(['the set-up step of this version: it has not given the rights of migration 1 yet']);
    expect([early.done(), noSchema.done(), noRights.done()]).toEqual([false, false, false]);

    await owner.sql('INSERT INTO public.waybill_rights VALUES (1, 1700000000001)');
    await Promise.all([early.ended, noSchema.ended, noRights.ended]);
  });

  it('lets the owner of the schema begin without any rights, and waits for a migration that this program needs and the database lacks', async () => {
    await owner.sql('DELETE FROM public.waybill_rights');
    await wait(server.url).ended;
    writeFileSync(join(root, '0002-second.sql'), 'SELECT 1;');
    const newer = wait(server.url);
    await told(newer);
    expect(newer.said).toEqual(['the set-up step of this version: the schema of the database is older than migration 2, which this program needs']);
    expect(newer.done()).toBe(false);
    await migrate(server.url, directory);
    await newer.ended;
  });

  it('takes a schema that is newer than the program', async () => {
    await owner.sql("INSERT INTO public.waybill_migrations (timestamp, name) VALUES (1700000000099, '0099-later-1700000000099')");
    const waited = wait(server.url);
    await waited.ended;
    expect(waited.said).toEqual([]);
  });
});
