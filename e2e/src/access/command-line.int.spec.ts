import { execFileSync, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CertificateAuthority, hasOpenssl } from '@waybill/platform/testing';
import { buildContent, freePort, pushContent, RegistryProcess, requireBinaries } from '@waybill/testing';
import { Crane } from '../clients/crane.js';
import { LoggedInClient } from './logged-in-client.js';
import { ADMIN_PASSWORD, SECURED, type SecuredRegistry } from './secured-registry.js';
import { WaybillCommand } from './waybill-command.js';

const OLGA = 'a password of olga';
const content = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } });
const programs = requireBinaries('crane');
const terminal = requireBinaries('script');

describe.each(SECURED)('managed by the command line, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let admin: WaybillCommand;
  let olga: WaybillCommand;
  let url: string;
  const exitOf = async (who: WaybillCommand, line: string): Promise<number | null> => (await who.run(line.split(' '))).exit;

  beforeAll(async () => {
    secured = await start();
    url = secured.registry.baseUrl;
    [admin, olga] = [await WaybillCommand.create(), await WaybillCommand.create()];
    await admin.done(`login ${url} --username admin --password-stdin`, { stdin: `${ADMIN_PASSWORD}\n` });
    await admin.done('org create acme');
    await admin.done('user create olga --password-stdin', { stdin: OLGA });
    await admin.done('grant create acme --principal olga --role owner --repositories **');
    await olga.done(`login ${url} --username olga --password-stdin`, { stdin: OLGA });
  }, 120_000);
  afterAll(async () => {
    await admin.close();
    await olga.close();
    await secured.close();
  });

  it('a login keeps a token of its own and no password, in a file for its owner alone; a logout revokes it', async () => {
    const alice = await WaybillCommand.create();
    await admin.done('user create alice --password-stdin', { stdin: 'a password of alice' });
    expect((await alice.run(['whoami'])).exit).toBe(4);
    expect(await alice.done(`login ${url} --username alice --password-stdin`, { stdin: 'a password of alice' })).toBe(`Logged in to ${url} as alice.`);
    const text = await readFile(alice.loginsFile, 'utf8');
    expect(text).toMatch(/wbl_pat_/);
    expect(text).not.toContain('a password of alice');
    expect((await stat(alice.loginsFile)).mode & 0o777).toBe(0o600);
    expect(await alice.done('whoami')).toMatch(/^login {3}alice\nkind {4}user\nadmin {3}no$/m);
    expect((await alice.run(['token', 'list', '--json'])).json()).toMatchObject([{ name: expect.stringMatching(/^waybill on /), revokedAt: null, expiresAt: expect.stringMatching(/^20/) }]);
    const token = /wbl_pat_\w+/.exec(text)?.[0] ?? '';
    const environment = { WAYBILL_URL: url, WAYBILL_TOKEN: token };
    expect(await admin.done('whoami', { environment })).toMatch(/alice/);
    await alice.done('logout');
    expect(await readFile(alice.loginsFile, 'utf8')).not.toContain(token);
    expect((await admin.run(['whoami'], { environment })).exit).toBe(4);
    await alice.close();
  });

  it('an owner makes a robot that pushes with its secret, explain says by which grant, and it is refused once that is revoked', async () => {
    await olga.done('robot create acme+ci --description pipelines --until 30d');
    const secret = await olga.done('secret create acme+ci pipelines');
    expect(secret).toMatch(/^wbl_robot_\w+$/);
    expect(await exitOf(olga, 'explain push acme/web --principal acme+ci')).toBe(1);
    const granted = (await olga.run(['grant', 'create', 'acme', '--principal', 'acme+ci', '--repositories', 'acme/web', '--actions', 'pull,push', '--json'])).json();
    expect(granted).toEqual({ id: expect.any(String), version: 1 });
    const grant = String(Object.values(Object(granted))[0]);
    const explained = await olga.run(['explain', 'push', 'acme/web', '--principal', 'acme+ci']);
    expect([explained.exit, explained.stdout]).toEqual([0, expect.stringContaining(`acme+ci may push acme/web: grant ${grant}: acme+ci is allowed pull, push`)]);
    expect(await olga.done('grant list acme')).toMatch(new RegExp(`^${grant} +allow +acme\\+ci +acme/web +- +pull,push`, 'm'));

    const robot = new LoggedInClient(url, ['acme+ci', secret]);
    await pushContent(robot, 'acme/web', content, { v1: 'app' });
    expect(await olga.done('repository list acme')).toMatch(/^acme\/web {2}private/m);
    const before = new Date().toISOString();
    await delay(20);
    expect(await olga.done(`grant revoke acme ${grant}`)).toBe(`grant revoked: acme ${grant}`);
    const begun = performance.now();
    while ((await robot.getManifest('acme/web', 'v1')).status < 400) {
      expect(performance.now() - begun).toBeLessThan(5_000);
      await delay(50);
    }
    expect(await exitOf(olga, 'explain push acme/web --principal acme+ci')).toBe(1);
    expect(await exitOf(olga, `explain push acme/web --principal acme+ci --as-of ${before}`)).toBe(0);
    robot.close();
  });

  (programs === undefined ? it.skip : it)('crane pushes with the secret of a robot as the command line printed it, and not without a grant', async () => {
    await olga.done('robot create acme+crane');
    const secret = await olga.done('secret create acme+crane crane');
    const crane = await Crane.create(programs?.crane ?? '');
    const host = new URL(url).host;
    await crane.login(host, 'acme+crane', secret);
    await expect(crane.push(`${host}/acme/tools:v1`, 'hello')).rejects.toThrow(/401 Unauthorized/);
    await olga.done('grant create acme --principal acme+crane --repositories acme/tools --role developer');
    await crane.push(`${host}/acme/tools:v1`, 'hello from crane');
    await olga.done('robot disable acme+crane');
    await expect(crane.crane('digest', `${host}/acme/tools:v1`)).rejects.toThrow(/UNAUTHORIZED|401 Unauthorized/);
    await crane.close();
  });

  it('exports the audit to an admin, whole, and to nobody else', async () => {
    const file = join(admin.home, 'audit.jsonl');
    const exported = await admin.run(['audit', 'export', '--output', file]);
    expect([exported.exit, exported.stderr]).toEqual([0, expect.stringMatching(/^\d+ entries are in /)]);
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toEqual({ hash: expect.stringMatching(/^[0-9a-f]{64}$/), entry: expect.objectContaining({ n: 1 }) });
    expect((await admin.done('audit export')).split('\n').slice(0, lines.length)).toEqual(lines);
    expect(await exitOf(olga, 'audit export')).toBe(4);
  });

  it('groups and roles go by their names', async () => {
    await olga.done('group create acme developers');
    await admin.done('user create dora --password-stdin', { stdin: 'a password of dora' });
    await olga.done('group add acme developers dora');
    await olga.done('role create acme pusher --actions push,pull');
    await olga.done('grant create acme --group developers --role pusher --repositories acme/docs --networks 0.0.0.0/0,::/0');
    expect(await exitOf(olga, 'explain push acme/docs --principal dora')).toBe(0);
    await olga.done('role change acme pusher --actions pull');
    expect(await exitOf(olga, 'explain push acme/docs --principal dora')).toBe(1);
    expect((await olga.run(['group', 'members', 'acme', 'developers', '--json'])).json()).toMatchObject([{ login: 'dora', kind: 'user' }]);
    expect(await olga.done('grant list acme')).toMatch(/group developers/);
    expect(await exitOf(olga, 'role delete acme pusher')).toBe(1);
    await olga.done('group remove acme developers dora');
    await olga.done('group rename acme developers devs');
    expect(await exitOf(olga, 'explain pull acme/docs --principal dora')).toBe(1);
    await olga.done('group delete acme devs');
    await olga.done('role delete acme pusher');
  });

  it('ends with the exit code that its reference names', async () => {
    expect(await exitOf(olga, 'org show acme')).toBe(0);
    expect(await exitOf(olga, 'org create other')).toBe(4);
    expect(await exitOf(olga, 'robot show acme+nobody')).toBe(3);
    expect(await exitOf(olga, 'org show elsewhere')).toBe(3);
    expect(await exitOf(olga, 'robot show acme')).toBe(2);
    expect(await exitOf(olga, 'repository show ../whoami')).toBe(2);
    expect(await exitOf(admin, 'user create olga')).toBe(1);
    expect(await exitOf(olga, `whoami --server http://127.0.0.1:${await freePort()}`)).toBe(5);
    expect(await exitOf(olga, 'whoami --server http://10.0.0.1')).toBe(2);
    expect((await olga.run(['whoami'], { environment: { WAYBILL_TOKEN: 'wbl_pat_nothing' } })).exit).toBe(4);
    const refused = await admin.run(['user', 'create', 'olga', '--json']);
    expect([refused.stdout, JSON.parse(refused.stderr)]).toEqual(['', { exit: 1, title: 'Conflict', status: 409, code: 'exists', detail: expect.any(String) }]);
  });

  it('changes only the version that --if-match names', async () => {
    await olga.done('group create acme versions');
    await olga.done('group rename acme versions versions2 --if-match 1');
    const late = await olga.run(['group', 'rename', 'acme', 'versions2', 'versions3', '--if-match', '1']);
    expect([late.exit, late.stderr]).toEqual([1, expect.stringMatching(/changed it meanwhile/)]);
    await olga.done('group delete acme versions2');
  });

  it('follows pages, and stops where --limit says', async () => {
    await olga.done('group create acme a1');
    await olga.done('group create acme a2');
    await olga.done('group create acme a3');
    const some = await olga.run(['group', 'list', 'acme', '--limit', '2', '--json']);
    expect([some.json(), some.stderr]).toEqual([[expect.objectContaining({ name: 'a1' }), expect.objectContaining({ name: 'a2' })], 'There are more: raise --limit.\n']);
    expect((await olga.run(['group', 'list', 'acme', '--json'])).json()).toHaveLength(3);
  });

  it('users change their own password, and go on by their token', async () => {
    await admin.done('user create paul --password-stdin', { stdin: 'a password of paul' });
    const paul = await WaybillCommand.create();
    await paul.done(`login ${url} --username paul --password-stdin`, { stdin: 'a password of paul' });
    expect((await paul.run(['password', '--password-stdin'], { stdin: 'not that one\nanother password' })).exit).toBe(1);
    await paul.done('password --password-stdin', { stdin: 'a password of paul\nanother password of paul\n' });
    await paul.done('whoami');
    expect((await paul.run(['login', url, '--username', 'paul', '--password-stdin'], { stdin: 'a password of paul' })).exit).toBe(4);
    await paul.done(`login ${url} --username paul --password-stdin`, { stdin: 'another password of paul' });
    await admin.done('user disable paul');
    expect(await exitOf(paul, 'whoami')).toBe(4);
    await paul.close();
  });

  (terminal === undefined ? it.skip : it)('at a terminal a password is not shown, what takes away is asked first, and only the thing that was asked about is changed', async () => {
    const at = async (line: string, typed: readonly string[], meanwhile?: () => Promise<unknown>): Promise<{ readonly exit: number | null; readonly screen: string }> => {
      const child = spawn(terminal?.script ?? '', ['--quiet', '--return', '--command', `${join(process.cwd(), 'node_modules', '.bin', 'waybill')} ${line}`, '/dev/null'], {
        env: { ...process.env, XDG_CONFIG_HOME: olga.home, WAYBILL_URL: url }, stdio: ['pipe', 'pipe', 'inherit'],
      });
      let screen = '';
      const answers = [...typed];
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        screen += text;
        if (!text.trimEnd().endsWith(':')) return;
        void (async () => {
          await meanwhile?.();
          child.stdin.write(`${answers.shift() ?? ''}\r`);
        })();
      });
      const exit = await new Promise<number | null>((resolve) => { child.once('close', resolve); });
      return { exit, screen };
    };
    await olga.done('group create acme asked');
    const no = await at('group delete acme asked', ['n']);
    expect([no.exit, no.screen]).toEqual([1, expect.stringMatching(/Delete the group acme asked\? \[y\/N\]: n\s+Nothing was done/)]);
    const late = await at('group delete acme asked', ['y'], () => olga.done('group add acme asked acme+ci'));
    expect([late.exit, late.screen]).toEqual([1, expect.stringMatching(/changed it meanwhile/)]);
    expect(await at('group delete acme asked', ['y'])).toMatchObject({ exit: 0 });
    const changed = await at('password', [OLGA, 'a new password of olga', 'a new password of olga']);
    expect([changed.exit, changed.screen]).toEqual([0, expect.stringMatching(/Current password: \s+New password: \s+The same again: \s+password changed/)]);
    expect(changed.screen).not.toContain('of olga');
  });

  it('the audit says who was refused what, to those whose organisation it is; users and repositories are deleted', async () => {
    await admin.done('user create gone --password-stdin', { stdin: 'a password of gone' });
    const gone = await WaybillCommand.create();
    await gone.done(`login ${url} --username gone --password-stdin`, { stdin: 'a password of gone' });
    expect(await exitOf(gone, 'org create mine')).toBe(4);
    expect(await exitOf(gone, 'audit --organisation acme')).toBe(3);
    const written = async (who: WaybillCommand, line: string, expected: RegExp): Promise<void> => {
      const begun = performance.now();
      for (let text = ''; !expected.test(text); text = await who.done(line)) {
        if (performance.now() - begun > 90_000) throw new Error(`waybill ${line}\nsays\n${text}`);
        await delay(200);
      }
    };
    await written(gone, 'audit --actor gone --outcome denied --since 1h', /^20\S+Z +denied +gone +createOrganisation +- +\S+ +\d+$/m);
    await written(olga, 'audit --organisation acme --outcome allowed', /acme\/web/);
    expect((await olga.run(['audit', '--organisation', 'acme', '--limit', '1', '--json'])).json()).toHaveLength(1);
    await admin.done('user delete gone');
    expect(await exitOf(gone, 'whoami')).toBe(4);
    await gone.close();
    await olga.done('repository create acme/short');
    await olga.done('repository delete acme/short');
    expect(await exitOf(olga, 'repository show acme/short')).toBe(3);
  }, 240_000);   // what was refused is counted for a minute before it is written

  it('a change whose answer is lost is made once, and one whose secret is lost says so', async () => {
    const proxy = await losingFirstAnswers(url);
    await olga.done('robot create acme+lost', { environment: { WAYBILL_URL: proxy.url, WAYBILL_TOKEN: await olga.done('token create proxy') } });
    expect(proxy.lost()).toBe(1);
    const { exit, stdout, stderr } = await olga.run(['secret', 'create', 'acme+lost', 'one'], { environment: { WAYBILL_URL: proxy.url, WAYBILL_TOKEN: await olga.done('token create proxy2') } });
    expect([exit, stdout, stderr]).toEqual([1, '', expect.stringMatching(/the answer with the secret was lost/)]);
    expect((await olga.run(['secret', 'list', 'acme+lost', '--json'])).json()).toHaveLength(1);
    await proxy.close();
  });
});

/** In front of a registry: the first answer to each POST is dropped with its connection. */
async function losingFirstAnswers(target: string): Promise<{ readonly url: string; lost(): number; close(): Promise<void> }> {
  const seen = new Set<string>();
  const server: Server = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
      const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] => (['authorization', 'content-type', 'idempotency-key'].includes(name) ? [[name, String(value)]] : []));
      const answer = await fetch(`${target}${request.url}`, { method: request.method ?? '', headers, ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }) });
      const text = await answer.text();
      const key = String(request.headers['idempotency-key'] ?? '');
      if (request.method === 'POST' && !seen.has(key)) {
        seen.add(key);
        request.socket.resetAndDestroy();
      } else response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? '' }).end(text);
    })();
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    lost: () => seen.size,
    close: () => new Promise((resolve) => { server.close(() => resolve()); }),
  };
}

function describeTls(): void {
  describe('over TLS with an authority of its own', () => {
    let authority: CertificateAuthority;
    let registry: RegistryProcess;
    let admin: WaybillCommand;
    beforeAll(async () => {
      authority = await CertificateAuthority.create();
      const { certFile, keyFile } = await authority.issue({ commonName: 'registry', names: ['IP:127.0.0.1'], usage: 'serverAuth' });
      registry = await RegistryProcess.start({ words: ['--secure'], settings: { WAYBILL_ADMIN_PASSWORD: ADMIN_PASSWORD, WAYBILL_HTTP_TLS_CERT_FILE: certFile, WAYBILL_HTTP_TLS_KEY_FILE: keyFile } });
      admin = await WaybillCommand.create();
    }, 120_000);
    afterAll(async () => {
      await admin.close();
      await registry.stop();
      await authority.remove();
    });
    const login = (more: readonly string[], environment: Readonly<Record<string, string>> = {}): ReturnType<WaybillCommand['run']> =>
      admin.run(['login', registry.baseUrl, '--username', 'admin', '--password-stdin', ...more], { stdin: ADMIN_PASSWORD, environment });

    it('is not trusted until somebody says so, by an option that is remembered or by the environment', async () => {
      const untrusted = await login([]);
      expect([untrusted.exit, untrusted.stderr]).toEqual([5, expect.stringMatching(/its certificate is not trusted .*--ca-file/)]);
      expect((await login(['--ca-file', join(authority.folder, 'nothing.pem')])).exit).toBe(2);
      expect((await login([], { NODE_EXTRA_CA_CERTS: authority.certFile })).exit).toBe(0);
      expect((await admin.run(['whoami'])).exit).toBe(5);
      expect((await login(['--ca-file', authority.certFile])).exit).toBe(0);
      expect(await admin.done('whoami')).toMatch(/admin/);
      const plain = await admin.run(['whoami', '--server', registry.baseUrl.replace('https:', 'http:')]);
      expect([plain.exit, plain.stderr]).toEqual([1, expect.stringMatching(/https/i)]);
    });
  });
}

if (hasOpenssl()) describeTls();
else it.skip('openssl is missing', () => undefined);

describe('npx waybill', () => {
  it('is the program of this checkout, and costs little to start', () => {
    expect(execFileSync('npx', ['--no-install', 'waybill', '--version'], { encoding: 'utf8' })).toMatch(/^waybill \d+\.\d+\.\d+\n$/);
  });
});
