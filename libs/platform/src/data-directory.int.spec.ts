import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataDirectoryLock, DataDirectoryRefused } from './data-directory.js';

const folder = mkdtempSync(join(tmpdir(), 'wb-data-directory-'));

async function refusal(directory: string): Promise<string> {
  try {
    (await DataDirectoryLock.take(directory)).release();
  } catch (error) {
    if (error instanceof DataDirectoryRefused) return error.message;
    throw error;
  }
  return '';
}

/** Nothing is forbidden to root, so there the lock is taken by nobody, in a process that was root while it loaded the code. */
async function refusalAsUser(directory: string): Promise<string> {
  const script = `const { DataDirectoryLock } = await import(${JSON.stringify(new URL('./data-directory.js', import.meta.url).href)});
    if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }
    await DataDirectoryLock.take(${JSON.stringify(directory)}).catch((error) => console.log(error.name + ': ' + error.message));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, NODE_OPTIONS: '' } });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => { said += text; });
  await once(child, 'close');
  return said;
}

describe('the data directory', () => {
  beforeAll(() => chmodSync(folder, 0o755));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is refused in plain words where its path is a file, or leads through one', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'below')]) {
      expect(await refusal(path)).toBe(`The data directory ${path} cannot be used: it, or what stands above it, is a file; expected a directory. Move the file away, or choose another directory with WAYBILL_DATA_DIR.`);
    }
  });

  it('is refused in plain words where its path is a link to nothing or to itself, or too long', async () => {
    const [link, loop, long] = [join(folder, 'link'), join(folder, 'loop'), join(folder, 'n'.repeat(300))];
    symlinkSync(join(folder, 'nowhere'), link);
    symlinkSync(loop, loop);
    for (const path of [link, join(link, 'below')]) {
      expect(await refusal(path)).toBe(`The data directory ${path} cannot be used: ${link} is a link to ${join(folder, 'nowhere')}, which is not there. Mend that, or choose another directory with WAYBILL_DATA_DIR.`);
    }
    expect(await refusal(loop)).toMatch(/^The data directory .* cannot be used: .*ELOOP.*WAYBILL_DATA_DIR\.$/);
    for (const path of [long, join(folder, 'a/'.repeat(5000))]) {
      expect(await refusal(path)).toMatch(/^The data directory .{200}… cannot be used: its path, or a name in it, is longer than the file system takes\. Make it shorter, .*WAYBILL_DATA_DIR\.$/);
    }
  });

  it('is made with whatever is missing above it, by several at once', async () => {
    const deep = join(folder, 'made', 'with', 'all', 'above');
    const locks = await Promise.all(['one', 'two', 'three'].map((name) => DataDirectoryLock.take(join(deep, name))));
    for (const lock of locks) lock.release();
    expect(readdirSync(deep).toSorted()).toEqual(['one', 'three', 'two']);
  });

  it('is refused in plain words where it may not be written or made, or belongs to another user', async () => {
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o555 });
    for (const path of [closed, join(closed, 'below')]) {
      expect(await refusalAsUser(path)).toMatch(/^DataDirectoryRefused: The data directory .* cannot be written by the user of this process \(uid \d+\)\. Start Waybill as the user who owns it, .*WAYBILL_DATA_DIR\.$/m);
    }
  });

  it('is refused with the reason of the system where the lock is no file', async () => {
    const odd = join(folder, 'odd');
    mkdirSync(join(odd, 'lock'), { recursive: true });
    expect(await refusal(odd)).toMatch(/^The data directory .* cannot be used: .*EISDIR.*WAYBILL_DATA_DIR\.$/);
  });

  it('can be taken again after a refusal and after a release', async () => {
    const good = join(folder, 'good');
    const lock = await DataDirectoryLock.take(good);
    expect(await refusal(good)).toContain(`in use by another Waybill process (pid ${process.pid})`);
    lock.release();
    expect(await refusal(good)).toBe('');
  });
});
