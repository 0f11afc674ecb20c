import { stat } from 'node:fs/promises';
import { CONNECTING } from '../asking-command.js';
import { checkedLines } from '../audit-chain.js';
import type { Command, Option } from '../command.js';
import { CommandFailed } from '../exit-code.js';
import { readInstant } from '../instant.js';
import { writePrivateFile } from '../private-file.js';
import type { Session } from '../session.js';

/** Characters that are written at a time. */
const CHUNK = 64 * 1024;
const MOMENTS: Readonly<Record<'since' | 'until', Option>> = {
  since: { value: 'TIME', about: 'written then or later: 2026-11-01, or 2h ago' },
  until: { value: 'TIME', about: 'written before' },
};

export const AUDIT_EXPORT_COMMAND: Command = {
  words: 'audit export', summary: 'The audit as lines of JSON, each with its hash, the oldest first.', request: 'GET /audit:export', takes: { key: false, version: false },
  details: 'For admins. Each line goes on from the one before it, which is checked. A file has its name only once it is whole; on stdout, what ends with another code than 0 is not.',
  operands: [],
  options: { ...MOMENTS, output: { value: 'FILE', file: true, about: 'to write it to; stdout unless given' }, ...CONNECTING },
  run: async (session) => {
    const query = Object.fromEntries(Object.keys(MOMENTS).flatMap((name) => {
      const text = session.text(name);
      return text === undefined ? [] : [[name, readInstant(text, 'back', session.now)]];
    }));
    const lines = checkedLines((await session.api()).stream('/audit:export', query));
    const file = session.text('output');
    if (file === undefined) for await (const line of lines) await session.terminal.write(`${line}\n`);
    else await writeFile(session, file, lines);
    return 'done';
  },
};

/** Beside its name, until all of it is on the disk. @throws CommandFailed */
async function writeFile({ terminal }: Session, file: string, lines: AsyncIterable<string>): Promise<void> {
  await refuseDevice(file);
  const counted = { lines: 0 };
  // it says who did what from where
  await writePrivateFile(file, gathered(lines, counted));
  terminal.note(`${counted.lines} entries are in ${file}.`);
}

/** What takes the name of /dev/null or /dev/stdout takes it away from everybody. @throws CommandFailed */
async function refuseDevice(file: string): Promise<void> {
  const there = await stat(file).catch(() => undefined);   // where it cannot be looked at it cannot be written either, which is said then
  if (there === undefined || there.isFile()) return;
  throw new CommandFailed('usage', `${file} is ${there.isDirectory() ? 'a folder' : 'no file'}, and the export would take its place: name a file, or leave --output out to have it on stdout`);
}

async function* gathered(lines: AsyncIterable<string>, counted: { lines: number }): AsyncGenerator<string> {
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    counted.lines += 1;
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
}
