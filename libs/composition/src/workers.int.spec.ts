import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RegistryProcess, replaced, temporaryFolder, workersOf } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import type { TestDatabase } from '@waybill/testing/postgres';

describe('several workers', () => {
  let folder: TemporaryFolder;
  let test: TestDatabase;
  let url = '';
  const file = (name: string, text: string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };
  /** Starts two workers and gives how many sessions they have on the database of the test. */
  const sessions = async (settings: Readonly<Record<string, string>>): Promise<number> => {
    const registry = await RegistryProcess.start({ settings: { WAYBILL_HTTP_WORKERS: '2', ...settings } });
    try {
      const [row] = await test.database.sql<{ sessions: number }>(`SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'waybill'`);
      expect(registry.logs()).not.toContain('a worker ended');
      return row?.sessions ?? 0;
    } finally {
      await registry.stop();
    }
  };
  beforeAll(async () => {
    folder = await temporaryFolder('workers');
    test = await testDatabase({ poolSize: 1 });
    url = test.url;
  });
  afterAll(async () => {
    await test.close();
    await folder.remove();
  });

  it('serve from the database whose connection string is in a file', async () => {
    expect(await sessions({ WAYBILL_DATABASE_URL_FILE: file('url', `${url}\n`) })).toBeGreaterThan(0);
  });

  it('serve from the database of the environment, of a configuration file, and of a secret that goes over that file', async () => {
    const stale = file('stale.yaml', 'database:\n  url: postgresql://nobody@127.0.0.1:1/nothing\n');
    expect(await sessions({ DATABASE_URL: url })).toBeGreaterThan(0);
    expect(await sessions({ WAYBILL_CONFIG: file('good.yaml', `database:\n  url: ${JSON.stringify(url)}\n`) })).toBeGreaterThan(0);
    expect(await sessions({ WAYBILL_CONFIG: stale, WAYBILL_DATABASE_URL_FILE: file('url', url) })).toBeGreaterThan(0);
  });

  it('serve from the database that the first process started, whatever the environment says about another one but names none', async () => {
    expect(await sessions({ WAYBILL_DATABASE_URL_FILE: '', WAYBILL_DATABASE_URL: '' })).toBe(0);
  });

  it('leave no client waiting when one of them is killed, and the one that takes its place is asked too', async () => {
    const registry = await RegistryProcess.start({ settings: { WAYBILL_HTTP_WORKERS: '2' } });
    try {
      for (let kill = 0; kill < 4; kill++) {
        const dying = workersOf(registry).at(kill % 2) ?? 0;
        const clients = Array.from({ length: 16 }, () => askFor(`${registry.baseUrl}/v2/`, 1000));
        await delay(100);
        process.kill(dying, 'SIGKILL');
        expect(await Promise.all(clients)).not.toContain('waits');
        await replaced(registry, dying, 2);
      }
    } finally {
      await registry.stop();
    }
  });

  it('are refused an address that another process listens on', async () => {
    const first = await RegistryProcess.start({ settings: { WAYBILL_HTTP_WORKERS: '2' } });
    try {
      const { host } = new URL(first.baseUrl);
      await expect(RegistryProcess.start({ settings: { WAYBILL_HTTP_WORKERS: '2', WAYBILL_HTTP_ADDRESS: host } })).rejects.toThrow(`${host} is in use by another process`);
    } finally {
      await first.stop();
    }
  });

  it('do not start where the database cannot be reached, and say where it was to be', async () => {
    await expect(sessions({ WAYBILL_DATABASE_URL_FILE: file('away', 'postgresql://ann:hush@127.0.0.1:1/d') })).rejects.toThrow('The database server at 127.0.0.1:1 gives no session: nothing listens there (ECONNREFUSED)');
  });
});

/** Asks again and again, each time by a connection of its own. A connection that ends without an answer is none's fault here; one that stays silent for 5 s waits. */
async function askFor(url: string, milliseconds: number): Promise<'served' | 'waits'> {
  const end = performance.now() + milliseconds;
  const ask = (): Promise<string> => new Promise((resolve) => {
    const request = get(url, { agent: false, timeout: 5000 }, (response) => response.resume().once('close', () => resolve('answered')));
    request.once('timeout', () => {
      resolve('waits');
      request.destroy();
    });
    request.once('error', () => resolve('ended'));
  });
  while (performance.now() < end) if ((await ask()) === 'waits') return 'waits';
  return 'served';
}
