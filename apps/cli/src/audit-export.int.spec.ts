import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { runCommandLine } from './program.js';

const BEFORE = 'ab'.repeat(32);

/** Of entries that go on from each other, as a server sends them. */
function exported(count: number): { readonly lines: readonly string[]; readonly end: string } {
  let last: string | null = null;
  let hash = BEFORE;
  const lines = Array.from({ length: count }, (_, n) => {
    const entry = JSON.stringify({ n: n + 1, action: 'getManifest — ü', detail: { scopes: ['x'.repeat(200)] } });
    hash = last = createHash('sha256').update(Buffer.from(hash, 'hex')).update(entry).digest('hex');
    return `{"hash":"${hash}","entry":${entry}}`;
  });
  return { lines, end: JSON.stringify({ end: { entries: count, last } }) };
}

let server: Server;
let folder: TemporaryFolder;
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;

async function run(...words: readonly string[]): Promise<{ readonly exit: number; readonly stdout: string; readonly stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr'): Writable => new Writable({
    write: (chunk: Buffer, _, done) => {
      written[name] += chunk.toString();
      setImmediate(done);
    },
  });
  const address = server.address();
  const url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  const environment = { WAYBILL_URL: url, WAYBILL_TOKEN: 'root:secret', XDG_CONFIG_HOME: folder.path };
  const streams = { stdin: Readable.from([]), stdout: into('stdout'), stderr: into('stderr') };
  const exit = await runCommandLine(['audit', 'export', ...words], streams, environment);
  await Promise.all([streams.stdout, streams.stderr].map((stream) => new Promise<void>((resolve) => stream.end(() => resolve()))));
  return { exit, ...written };
}
const lines = (all: readonly string[]) => (_: IncomingMessage, response: ServerResponse): void => void response.writeHead(200, { 'Content-Type': 'application/jsonl' }).end(all.map((line) => `${line}\n`).join(''));

beforeAll(async () => {
  server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(async () => {
  folder = await temporaryFolder('cli-audit');
});
afterEach(() => folder.remove());
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

describe('waybill audit export', () => {
  it('writes what was exported to a file that was not there half, or to stdout', async () => {
    const whole = exported(2_000);
    let asked: string | undefined = '';
    answer = (request, response) => {
      asked = request.url;
      lines([...whole.lines, whole.end])(request, response);
    };
    const file = join(folder.path, 'audit.jsonl');
    expect(await run('--since', '2026-11-01', '--until', '2026-11-02T10:00:00Z', '--output', file)).toEqual({ exit: 0, stdout: '', stderr: `2000 entries are in ${file}.\n` });
    expect(asked).toBe('/api/v1/audit:export?since=2026-11-01T00%3A00%3A00.000Z&until=2026-11-02T10%3A00%3A00.000Z');
    const text = whole.lines.map((line) => `${line}\n`).join('');
    expect(await readFile(file, 'utf8')).toBe(text);
    expect(await readdir(folder.path)).toEqual(['audit.jsonl']);
    expect(await run()).toEqual({ exit: 0, stdout: text, stderr: '' });
  });

  const { lines: some, end } = exported(300);
  const changed = some.map((line, n) => (n === 150 ? line.replace('getManifest', 'putManifest') : line));
  it.each<[string, typeof answer, number, string]>([
    ['broke off', (_, response) => {
      response.writeHead(200).write(some.slice(0, 200).join('\n'));
      setTimeout(() => response.destroy(), 50);
    }, 5, 'broke off in the middle'],
    ['has no end', lines(some), 1, 'cut after 300 lines'],
    ['has an end of other lines', lines([...some.slice(0, 200), end]), 1, 'sent 300 entries, and 200 came'],
    ['goes on behind its end', lines([...some, end, ...some]), 1, 'follows its end'],
    ['was changed', lines([...changed, end]), 1, 'line 151 does not go on'],
    ['lacks a line', lines([...some.slice(0, 9), ...some.slice(10), end]), 1, 'line 10 does not go on'],
    ['is no audit', lines(['<html>']), 1, 'line 1 is no entry'],
    ['is refused', (_, response) => void response.writeHead(403, { 'Content-Type': 'application/problem+json' }).end(JSON.stringify({ title: 'Forbidden', status: 403, code: 'forbidden', detail: 'for admins' })), 4, 'for admins'],
  ])('that %s leaves the file of before, and says so', async (_, how, exit, said) => {
    answer = how;
    const file = join(folder.path, 'audit.jsonl');
    await writeFile(file, 'of before');
    const result = await run('--output', file);
    expect([result.exit, result.stderr]).toEqual([exit, expect.stringContaining(said)]);
    expect([await readFile(file, 'utf8'), await readdir(folder.path)]).toEqual(['of before', ['audit.jsonl']]);
  });

  it('does not take the place of a device, whatever leads to it, nor of a folder', async () => {
    answer = lines([end]);
    const link = join(folder.path, 'stdout');
    await symlink('/dev/null', link);
    expect(await run('--output', link)).toMatchObject({ exit: 2, stderr: expect.stringContaining('is no file') });
    expect(await run('--output', folder.path)).toMatchObject({ exit: 2, stderr: expect.stringContaining('is a folder') });
    expect([await readdir(folder.path), await readlink(link)]).toEqual([['stdout'], '/dev/null']);
  });

  it('does not write into a folder that is not there', async () => {
    answer = lines([end]);
    expect(await run('--output', join(folder.path, 'nowhere', 'audit.jsonl'))).toMatchObject({ exit: 1, stderr: expect.stringContaining('cannot be written') });
  });
});
