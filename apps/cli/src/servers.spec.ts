import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loginsFile, readLogins, withoutServer, withServer, writeLogins } from './servers.js';
import type { Logins } from './servers.js';

const ONE = { url: 'https://one.example.com', login: 'olga', secret: 'wbl_pat_1', token: 'an-id', caFile: '/etc/ca.pem' };
const TWO = { url: 'https://two.example.com', login: 'acme+ci', secret: 'wbl_robot_2', plainHttp: true };
const silent = (): void => undefined;

describe('the file of logins', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'waybill-cli-'));
    file = loginsFile({ XDG_CONFIG_HOME: folder });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('lies where XDG says, and below the home folder where that says nothing that counts', () => {
    expect(file).toBe(join(folder, 'waybill', 'servers.json'));
    for (const environment of [{ HOME: '/home/olga' }, { HOME: '/home/olga', XDG_CONFIG_HOME: '' }, { HOME: '/home/olga', XDG_CONFIG_HOME: 'relative' }]) {
      expect(loginsFile(environment)).toBe('/home/olga/.config/waybill/servers.json');
    }
  });

  it('is read as it was written', async () => {
    const logins = withServer(withServer({ current: undefined, servers: [] }, ONE), TWO);
    await writeLogins(file, logins);
    expect(await readLogins(file, silent)).toEqual({ current: TWO.url, servers: [ONE, TWO] });
    await writeLogins(file, withoutServer(logins, TWO.url));
    expect(await readLogins(file, silent)).toEqual({ current: ONE.url, servers: [ONE] });
  });

  it('is for its owner alone, also where it was not before, and nothing is left beside it', async () => {
    await writeLogins(file, withServer({ current: undefined, servers: [] }, ONE));
    chmodSync(file, 0o644);
    const warnings: string[] = [];
    await readLogins(file, (text) => warnings.push(text));
    expect(warnings).toEqual([expect.stringMatching(/others may read/)]);
    await writeLogins(file, withServer({ current: undefined, servers: [] }, TWO));
    expect([statSync(file).mode & 0o777, statSync(dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(readdirSync(dirname(file))).toEqual(['servers.json']);
  });

  it('is never seen half written', async () => {
    await writeLogins(file, withServer({ current: undefined, servers: [] }, ONE));
    let isDone = false;
    const writing = (async () => {
      for (let i = 0; i < 40; i += 1) await writeLogins(file, withServer({ current: undefined, servers: [] }, { ...ONE, secret: 'x'.repeat(i * 5_000) }));
      isDone = true;
    })();
    while (!isDone) {
      expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ current: ONE.url });
      await new Promise((resolve) => { setImmediate(resolve); });
    }
    await writing;
  });

  it('is nobody\'s where it is not there, and a damaged one is not taken for that', async () => {
    const nobody: Logins = { current: undefined, servers: [] };
    expect(await readLogins(file, silent)).toEqual(nobody);
    await writeLogins(file, nobody);
    writeFileSync(file, '{"servers":');
    await expect(readLogins(file, silent)).rejects.toThrow(/mend or remove it/);
  });
});
