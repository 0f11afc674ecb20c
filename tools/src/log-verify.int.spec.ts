import { join } from 'node:path';
import { PushHistory } from '@waybill/event-log/testing';
import { EmbeddedPostgres, migrate, PgDatabase } from '@waybill/platform';
import { RunningChild, temporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';

const COMMAND = join(import.meta.dirname, 'log-verify.js');

async function run(environment: Readonly<Record<string, string>>): Promise<{ exitCode: number | null; output: string }> {
  const { DATABASE_URL: _, ...inherited } = process.env;
  const child = new RunningChild({ command: process.execPath, arguments: [COMMAND], environment: { ...inherited, ...environment } });
  while (child.running) await new Promise((resolve) => setTimeout(resolve, 10));
  return { exitCode: child.exitCode, output: child.output };
}

describe('npm run log:verify', () => {
  let test: TestDatabase;
  beforeAll(async () => {
    test = await testDatabase();
    await new PushHistory(test.database.sql).everything();
  });
  afterAll(() => test.close());

  it('ends with 0 and says that log and state are equal', async () => {
    const { exitCode, output } = await run({ DATABASE_URL: test.url });
    expect(output).toMatch(/^\d+ events \(\d+ without a number yet\) come to: .*tag 4, .*\nThe log and the state tables are equal\.\n$/);
    expect(exitCode).toBe(0);
  });

  it('ends with 1 and says where they differ after a planted UPDATE', async () => {
    await test.database.sql(`UPDATE reg.tag SET manifest_id = (SELECT min(manifest_id) FROM reg.manifest) WHERE name = 'multi'`);
    const { exitCode, output } = await run({ DATABASE_URL: test.url });
    expect(output).toMatch(/differ:\n {2}reg\.tag .*:multi: the events say/);
    expect(exitCode).toBe(1);
  });

  it('ends with 2 where there is no database, and says what to do', async () => {
    const folder = await temporaryFolder('verify');
    const { exitCode, output } = await run({ WAYBILL_DATA_DIR: folder.path });
    await folder.remove();
    expect(output).toContain('Name its folder in WAYBILL_DATA_DIR, or a server in DATABASE_URL');
    expect(exitCode).toBe(2);
  });

  it('looks into the data folder of a registry that runs, and of one that does not', async () => {
    const folder = await temporaryFolder('verify');
    const server = await EmbeddedPostgres.start({ dataDirectory: folder.path });
    await migrate(server.url);
    const database = new PgDatabase({ url: server.url });
    await new PushHistory(database.sql).everything();
    const running = await run({ WAYBILL_DATA_DIR: folder.path });
    await database.close();
    await server.stop();
    const stopped = await run({ WAYBILL_DATA_DIR: folder.path });
    await folder.remove();
    expect([running, stopped]).toEqual([{ exitCode: 0, output: expect.stringContaining('are equal') }, { exitCode: 0, output: expect.stringContaining('are equal') }]);
  }, 60_000);
});
