import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

/** A workspace of one project, as a clone has it, in a folder with a space in its name. */
describe('tools/launch/prepare.mjs', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'waybill launch '));
    const lock = '{ "packages": { "": {} } }';
    write('package-lock.json', lock);
    write('package.json', '{ "type": "module" }');
    write('tsconfig.json', '{ "files": [], "references": [{ "path": "./libs/oci" }] }');
    write('libs/oci/package.json', '{ "type": "module" }');
    write('libs/oci/tsconfig.json', '{ "compilerOptions": { "rootDir": "src", "outDir": "dist", "composite": true, "tsBuildInfoFile": "dist/.tsbuildinfo", "types": [] }, "include": ["src"] }');
    write('libs/oci/src/digest.ts', 'export const digest = 1;\n');
    for (const group of ['apps', 'examples']) mkdirSync(join(folder, group));
    cpSync(join(root, 'tools', 'launch'), join(folder, 'tools', 'launch'), { recursive: true });
    write('node_modules/.package-lock.json', '{ "packages": {} }');
    write('node_modules/.waybill/installed', createHash('sha256').update(lock).digest('hex'));
    mkdirSync(join(folder, 'node_modules', '.bin'));
    symlinkSync(process.execPath, join(folder, 'node_modules', '.bin', 'node'));
    for (const name of ['typescript', '@typescript']) symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  function prepare(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
    return spawnSync(process.execPath, ['tools/launch/prepare.mjs', ...args], { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } });
  }

  const built = (path: string): string => join(folder, 'libs/oci/dist', path);

  it('builds once, and again only when a source has changed', () => {
    expect(prepare()).toMatchObject({ status: 0, stdout: '', stderr: '' });
    // Written at the end of every build.
    const stamp = join(folder, 'node_modules/.waybill/built');
    utimesSync(stamp, 1, 1);
    expect(prepare().status).toBe(0);
    expect(statSync(stamp).mtimeMs).toBe(1_000);
    write('libs/oci/src/digest.ts', 'export const digest = 22;\n');
    expect(prepare().status).toBe(0);
    expect(statSync(stamp).mtimeMs).toBeGreaterThan(1_000);
    expect(readFileSync(built('digest.js'), 'utf8')).toContain('22');
  });

  it('builds again what was removed', () => {
    prepare();
    rmSync(join(folder, 'libs/oci/dist'), { recursive: true });
    prepare();
    expect(existsSync(built('digest.js'))).toBe(true);
  });

  it('removes the output of a source that is gone', () => {
    write('libs/oci/src/old.spec.ts', 'export const old = 1;\n');
    prepare();
    expect(existsSync(built('old.spec.js'))).toBe(true);
    rmSync(join(folder, 'libs/oci/src/old.spec.ts'));
    prepare();
    expect(['old.spec.js', 'old.spec.d.ts', 'digest.js'].map((file) => existsSync(built(file)))).toEqual([false, false, true]);
  });

  it('says that the build failed, fails again until it is mended, and counts it for npm test', () => {
    write('libs/oci/src/digest.ts', "export const digest: number = 'text';\n");
    expect(prepare()).toMatchObject({ status: 1, stderr: expect.stringContaining('waybill: the build failed') });
    const { status, stdout } = prepare(['test']);
    expect(status).toBe(1);
    expect(stdout).toContain('TS2322');
    expect(stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed');
  });

  it('does not install again what npm has installed from the same lockfile by hand', () => {
    rmSync(join(folder, 'node_modules/.waybill'), { recursive: true });
    expect(prepare()).toMatchObject({ status: 0, stderr: '' });
  });

  it('says that the network is missing when the lockfile has changed and npm reaches nothing', () => {
    write('package.json', '{ "type": "module", "dependencies": { "left-pad": "1.3.0" } }');
    write('package-lock.json', JSON.stringify({ lockfileVersion: 3, packages: { '': { dependencies: { 'left-pad': '1.3.0' } }, 'node_modules/left-pad': { version: '1.3.0' } } }));
    const offline = { npm_config_registry: 'http://127.0.0.1:9', npm_config_cache: join(folder, 'cache'), npm_config_fetch_retries: '0' };
    expect(prepare([], offline)).toMatchObject({ status: 1, stderr: expect.stringContaining('waybill: npm could not reach its package registry') });
  });
});
