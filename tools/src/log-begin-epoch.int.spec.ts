import { join } from 'node:path';
import { EmbeddedPostgres, migrate, PgDatabase } from '@waybill/platform';
import { RunningChild, temporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';

async function run(words: readonly string[], environment: Readonly<Record<string, string>>): Promise<{ exitCode: number | null; output: string }> {
  const inherited = Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('WAYBILL_'));
  const child = new RunningChild({
    command: process.execPath, arguments: [join(import.meta.dirname, 'log-begin-epoch.js'), ...words], environment: { ...Object.fromEntries(inherited), ...environment },
  });
  while (child.running) await new Promise((resolve) => setTimeout(resolve, 10));
  return { exitCode: child.exitCode, output: child.output };
}

describe('npm run log:begin-epoch', () => {
  it.each([
    [[], 'The reason is missing; expected --reason restore'],
    [['--reason', 'fun'], 'The reason "fun" is none; expected --reason restore'],
    [['--reson', 'restore'], "Unknown option '--reson'"],
  ])('with %p ends with 2 and says what was expected', async (words, text) => {
    expect(await run(words, {})).toEqual({ exitCode: 2, output: expect.stringContaining(text) });
  });

  it('makes no registry in a database that has none', async () => {
    const empty = await testDatabase({ migrated: false });
    const outcome = await run(['--reason', 'restore'], { DATABASE_URL: empty.url });
    const schemas = await empty.database.sql(`SELECT 1 FROM pg_namespace WHERE nspname = 'es'`);
    await empty.close();
    expect(outcome).toEqual({ exitCode: 2, output: expect.stringContaining('The database holds no registry') });
    expect(schemas).toEqual([]);
  });

  it('brings a backup of an earlier release up to date, and begins the epoch after the one that this was in', async () => {
    const earlier = await testDatabase();
    // as before 0012 and what followed; whoever put the backup back has gone when the epoch begins
    const restorer = new PgDatabase({ url: earlier.url, poolSize: 1 });
    await restorer.sql(`DROP SCHEMA access, audit CASCADE; DROP TABLE reg.repo_deletion CASCADE; DELETE FROM reg.secret WHERE name = 'erased-login'; DROP INDEX es.actor_external; DROP FUNCTION es.is_unfit, es.refuse_event; ALTER TABLE es.relay_partition DROP COLUMN tail; DROP TABLE es.epoch;
      DELETE FROM public.waybill_migrations WHERE name >= '0012'; UPDATE es.sealer SET epoch = 4`);
    await restorer.close();
    const outcome = await run(['--reason', 'restore'], { DATABASE_URL: earlier.url });
    const epochs = await earlier.database.sql('SELECT epoch, first_seq::int FROM es.epoch ORDER BY epoch');
    await earlier.close();
    expect(outcome).toEqual({ exitCode: 0, output: expect.stringMatching(/^Epoch 4 of the log \S+ ended; it had no events\.\nEpoch 5 began with number 1 \(EpochStarted, restore\)\.\n$/) });
    expect(epochs).toEqual([{ epoch: 4, first_seq: 1 }, { epoch: 5, first_seq: 1 }]);
  });

  it('works on a data folder that was put back, with nothing running', async () => {
    const folder = await temporaryFolder('epoch');
    const server = await EmbeddedPostgres.start({ dataDirectory: folder.path });
    await migrate(server.url);
    await server.stop();
    const outcome = await run(['--reason=restore'], { WAYBILL_DATA_DIR: folder.path });
    await folder.remove();
    expect(outcome).toEqual({ exitCode: 0, output: expect.stringContaining('Epoch 2 began with number 1') });
  }, 60_000);
});
