import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FileWatch, filesOf, readSettled } from './file-watch.js';
import type { FileWatchOptions } from './file-watch.js';

let folder: string;
let watch: FileWatch | undefined;
const path = (name: string): string => join(folder, name);

beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'wb-watch-'))));
afterEach(async () => {
  await watch?.stop();
  rmSync(folder, { recursive: true });
});

/** What was read and what failed, of one watch over `paths`. */
async function watching(paths: readonly string[], more: Partial<FileWatchOptions> = {}): Promise<{ readonly read: string[]; readonly failed: [string, boolean][]; readonly until: (done: () => boolean) => Promise<void> }> {
  const [read, failed]: [string[], [string, boolean][]] = [[], []];
  const all = async (): Promise<string> => (await Promise.all((await Promise.all(paths.map(filesOf))).flat().map((file) => readSettled(file, 1000)))).join('|');
  watch = new FileWatch({ paths, everyMs: 5, read: async () => void read.push(await all()), failed: ({ message }, again) => failed.push([message, again]), ...more });
  await watch.start();
  const until = async (done: () => boolean): Promise<void> => {
    for (const end = performance.now() + 20_000; !done(); await delay(5)) if (performance.now() > end) throw new Error(`it did not come true: ${JSON.stringify({ read, failed })}`);
  };
  return { read, failed, until };
}

describe('a file that is followed', () => {
  it('is read at the start, and again when it was written, replaced or is behind a link that moved; not else', async () => {
    await writeFile(path('a'), 'one');
    await symlink('a', path('link'));
    const { read, until } = await watching([path('link')]);
    await delay(60);
    expect(read).toEqual(['one']);
    await writeFile(path('a'), 'two');
    await until(() => read.at(-1) === 'two');
    await writeFile(path('new'), 'three');
    await rename(path('new'), path('a'));
    await until(() => read.at(-1) === 'three');
    await writeFile(path('b'), 'four');
    await symlink('b', path('next'));
    await rename(path('next'), path('link'));
    await until(() => read.at(-1) === 'four');
  });

  it('may be a folder: its files by name, those that come and go, and none whose name begins with a dot', async () => {
    await mkdir(path('keys'));
    for (const [name, text] of [['b', '2'], ['a', '1'], ['.hidden', 'x']] as const) await writeFile(path(`keys/${name}`), text);
    const { read, until } = await watching([path('keys')]);
    expect(read).toEqual(['1|2']);
    await writeFile(path('keys/c'), '3');
    await until(() => read.at(-1) === '1|2|3');
    await writeFile(path('keys/b'), '22');
    await until(() => read.at(-1) === '1|22|3');
    await rm(path('keys/a'));
    await until(() => read.at(-1) === '22|3');
  });

  it('that cannot be taken is read at each look until it can, and whoever is told knows what is new', async () => {
    await writeFile(path('a'), 'one');
    const { read, failed, until } = await watching([path('a')]);
    await rm(path('a'));
    await until(() => failed.length > 2);
    expect(failed[0]).toEqual([expect.stringContaining('ENOENT'), false]);
    expect(failed.slice(1).every(([, again]) => again)).toBe(true);
    await writeFile(path('a'), 'x'.repeat(1001));
    await until(() => failed.some(([message, again]) => message.includes('1001 bytes') && !again));
    await writeFile(path('a'), 'one');
    await until(() => read.length > 1);
    expect(read).toEqual(['one', 'one']);
  });

  it('that goes on changing while it is read is no failure, and is taken when it rests', async () => {
    await writeFile(path('a'), 'one');
    const [seen, state]: [string[], { changing: boolean; unsettled: number }] = [[], { changing: false, unsettled: 0 }];
    const read = async (): Promise<void> => void seen.push(await readSettled(path('a'), 1_000_000).catch((error: unknown) => {
      state.unsettled += 1;
      throw error;
    }));
    const { failed, until } = await watching([path('a')], { read });
    state.changing = true;
    const writers = [1, 2].map(async () => {
      while (state.changing) await appendFile(path('a'), '.');
    });
    await until(() => state.unsettled > 2);
    state.changing = false;
    await Promise.all(writers);
    await appendFile(path('a'), 'end');
    await until(() => seen.at(-1)?.endsWith('end') === true);
    expect(failed).toEqual([]);
  });

  it('is read again after a while though nobody touched it, where that is asked for', async () => {
    await writeFile(path('a'), 'one');
    const { read, until } = await watching([path('a')], { rereadMs: 20 });
    await until(() => read.length > 2);
  });

  it('is left alone after the end', async () => {
    await writeFile(path('a'), 'one');
    const { read } = await watching([path('a')]);
    await watch?.stop();
    await writeFile(path('a'), 'two');
    await delay(60);
    expect(read).toEqual(['one']);
  });

  it('that is not there keeps whoever starts from starting', async () => {
    await expect(watching([path('none')])).rejects.toThrow('ENOENT');
    await expect(readSettled(folder, 10)).rejects.toThrow('it is no file');
  });
});
