import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PushHistory } from '@waybill/event-log/testing';
import { EmbeddedPostgres, migrate, PgDatabase } from '@waybill/platform';
import { RunningChild, temporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';

const COMMAND = join(import.meta.dirname, 'log-verify.js');

async function run(environment: Readonly<Record<string, string>>): Promise<{ exitCode: number | null; output: string }> {
  const inherited = Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && !name.startsWith('WAYBILL_'));
  const child = new RunningChild({ command: process.execPath, arguments: [COMMAND], environment: { ...Object.fromEntries(inherited), ...environment } });
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
    expect(output).toMatch(/^\d+ events \(\d+ without a number yet\) come to: .*tag 5, .*\nThe log and the state tables are equal\.\n$/);
    expect(exitCode).toBe(0);
  });

  it('takes the database that the configuration names, in whatever way, and no other', async () => {
    const folder = await temporaryFolder('verify');
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder.path, name), text);
      return join(folder.path, name);
    };
    const ways: Record<string, string>[] = [
      { WAYBILL_DATABASE_URL: test.url, DATABASE_URL: 'postgresql://127.0.0.1:1/other' },
      { WAYBILL_DATABASE_URL_FILE: file('url', test.url) },
      { WAYBILL_CONFIG: file('waybill.yaml', `database:\n  url: ${JSON.stringify(test.url)}\n`) },
    ];
    const outcomes = await Promise.all(ways.map((way) => run({ WAYBILL_DATA_DIR: folder.path, ...way })));
    const refused = await run({ DATABASE_URL: 'http://x' });
    await folder.remove();
    expect(outcomes).toEqual(ways.map(() => ({ exitCode: 0, output: expect.stringContaining('are equal') })));
    expect(refused).toEqual({ exitCode: 2, output: expect.stringContaining('expected a connection string') });
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
    expect(output).toContain('Name its folder in data.dir (WAYBILL_DATA_DIR), or a server in database.url');
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
