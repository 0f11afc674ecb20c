import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hash } from 'bcrypt';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { describeIdentityProvider } from '../testing/identity-provider.contract.js';
import type { Person } from '../testing/identity-provider.contract.js';
import { HtpasswdIdentityProvider } from './htpasswd-identity-provider.js';

const hashes = new Map<string, Promise<string>>();

/** With the costs in turn, so that users of one file differ in what they cost. */
async function fileOf(people: readonly Person[], costs: readonly number[] = [9]): Promise<string> {
  const lines = people.map(async ({ login, secrets: [secret = ''] }, n) => {
    const cost = costs[n % costs.length] ?? 4;
    const name = `${login}:${secret}:${cost}`;
    const made = hashes.get(name) ?? hash(secret, cost);
    hashes.set(name, made);
    return `${login}:${await made}\n`;
  });
  return `# made by a test\n${(await Promise.all(lines)).join('')}`;
}

class Lines {
  readonly infos: string[] = [];
  readonly errors: string[] = [];
  readonly log = { info: (line: unknown) => { this.infos.push(String(line)); }, error: (line: unknown) => { this.errors.push(String(line)); } };
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 1000) throw new Error('what was waited for did not come');
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

interface Fixture {
  readonly path: string;
  readonly lines: Lines;
  readonly provider: HtpasswdIdentityProvider;
  /** Writes the file as text editors and secret managers do, and waits until it was seen. */
  replace(text: string): Promise<void>;
  close(): Promise<void>;
}

async function fixture(first: string, path = 'users'): Promise<Fixture> {
  const folder: TemporaryFolder = await temporaryFolder('htpasswd');
  const file = join(folder.path, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, first);
  const lines = new Lines();
  const provider = new HtpasswdIdentityProvider({ path: file, log: lines.log, reloadMs: 5 });
  await provider.start();
  const seen = (): number => lines.infos.length + lines.errors.length;
  return {
    path: file, lines, provider,
    replace: async (text) => {
      const before = seen();
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
      await until(() => seen() > before);
    },
    close: async () => {
      provider.stop();
      await folder.remove();
    },
  };
}

const supports = { robots: false, secrets: false, disabled: false, until: false, from: false };
for (const [name, costs] of [['htpasswd', [9]], ['htpasswd, users of different costs', [5, 9]]] as const) {
  describeIdentityProvider({
    name,
    supports,
    create: async () => {
      const at = await fixture(await fileOf([{ login: 'first', secrets: ['x'] }]));
      return { provider: at.provider, setPeople: async (people) => at.replace(await fileOf(people, costs)), close: () => at.close() };
    },
  });
}

describe('the htpasswd file', () => {
  const alice = { login: 'alice', secrets: ['one'] };
  const bob = { login: 'bob', secrets: ['two'] };
  const knows = async ({ provider }: Fixture, login: string, secret: string): Promise<boolean> => (await provider.identify({ login, secret, address: '::1' })) !== undefined;
  let at: Fixture;
  beforeEach(async () => { at = await fixture(await fileOf([alice], [4])); });
  afterEach(() => at.close());

  it('is read again when it is written in place', async () => {
    await writeFile(at.path, await fileOf([alice, bob], [4]));
    await until(() => at.lines.infos.length > 1);
    expect(await knows(at, 'bob', 'two')).toBe(true);
  });

  it('is read again when it changes by no byte of its size and no second of its date', async () => {
    const date = new Date(1_700_000_000_000);
    await utimes(at.path, date, date);
    await until(() => at.lines.infos.length > 1);
    await writeFile(at.path, await fileOf([{ login: 'carol', secrets: ['one'] }], [4]));
    await utimes(at.path, date, date);
    await until(() => at.lines.infos.length > 2);
    expect(await knows(at, 'carol', 'one')).toBe(true);
  });

  it('is read again when the folder behind its symbolic links is swapped, as Kubernetes does', async () => {
    const root = dirname(at.path);
    for (const [folder, people] of [['..1', [alice]], ['..2', [bob]]] as const) {
      await mkdir(join(root, folder));
      await writeFile(join(root, folder, 'linked'), await fileOf(people, [4]));
    }
    await symlink('..1', join(root, '..data'));
    await symlink('..data/linked', join(root, 'linked'));
    const lines = new Lines();
    const provider = new HtpasswdIdentityProvider({ path: join(root, 'linked'), log: lines.log, reloadMs: 5 });
    await provider.start();
    await symlink('..2', join(root, '..data.new'));
    await rename(join(root, '..data.new'), join(root, '..data'));
    await rm(join(root, '..1'), { recursive: true });
    await until(() => lines.infos.length > 1);
    expect(await provider.identify({ login: 'bob', secret: 'two', address: '::1' })).toBeDefined();
    expect(await provider.identify({ login: 'alice', secret: 'one', address: '::1' })).toBeUndefined();
    provider.stop();
  });

  it.each([['wrong', 'bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n'], ['empty', '']])('that is %s keeps the users, is logged once without a hash, and is taken when it is right again', async (_what, text) => {
    await at.replace(text);
    await new Promise((resolve) => { setTimeout(resolve, 60); });
    expect(at.lines.errors).toHaveLength(1);
    expect(at.lines.errors[0]).toMatch(/earlier users stay: (line 1: SHA-1|it names no user)/);
    expect(at.lines.errors[0]).not.toContain('5en6G6');
    expect(await knows(at, 'alice', 'one')).toBe(true);
    await at.replace(await fileOf([bob], [4]));
    expect(await knows(at, 'bob', 'two')).toBe(true);
    expect(await knows(at, 'alice', 'one')).toBe(false);
  });

  it('that is gone keeps the users and is logged once', async () => {
    await rm(at.path);
    await until(() => at.lines.errors.length > 0);
    await new Promise((resolve) => { setTimeout(resolve, 60); });
    expect(at.lines.errors).toHaveLength(1);
    expect(await knows(at, 'alice', 'one')).toBe(true);
  });

  it('that cannot be used refuses to start, with the reason', async () => {
    const start = (path: string): Promise<void> => new HtpasswdIdentityProvider({ path, log: new Lines().log }).start();
    await expect(start(join(dirname(at.path), 'none'))).rejects.toThrow(/the htpasswd file cannot be used: .*ENOENT/);
    await expect(start(dirname(at.path))).rejects.toThrow(/it is no file/);
    await writeFile(at.path, 'alice:plain\n');
    await expect(start(at.path)).rejects.toThrow(/line 1: no hash/);
  });

  it('costs a hash for the first right secret of a user only, until the line changes', async () => {
    await at.replace(await fileOf([alice], [11]));
    const took = async (secret: string): Promise<number> => {
      const start = performance.now();
      await knows(at, 'alice', secret);
      return performance.now() - start;
    };
    const first = await took('one');
    const again = Math.min(await took('one'), await took('one'), await took('one'));
    expect(again).toBeLessThan(first / 20);
    expect(await took('wrong')).toBeGreaterThan(again * 20);
    await at.replace(await fileOf([{ ...alice, secrets: ['other'] }], [11]));
    expect(await knows(at, 'alice', 'one')).toBe(false);
  });

  it('lets only so many wait', async () => {
    await at.replace(await fileOf([alice], [9]));
    const answers = await Promise.allSettled(Array.from({ length: 300 }, (_, n) => knows(at, 'alice', `wrong ${n}`)));
    const refused = answers.filter((answer) => answer.status === 'rejected');
    expect(refused).toHaveLength(98);
    expect(refused[0]).toMatchObject({ reason: { code: 'TOOMANYREQUESTS', status: 429, headers: { 'Retry-After': '1' } } });
    expect(await knows(at, 'alice', 'one')).toBe(true);
  });
});
