import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RunningChild } from '@waybill/testing';

/** A program whose main is as that of an app with commands. */
const PROGRAM = `import { runNamedCommand } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'index.js')).href)};
  await runNamedCommand(async () => console.log('the work without a word'));`;

async function run(...words: string[]): Promise<{ exitCode: number | null; output: string }> {
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'DATABASE_URL' && name !== 'NODE_OPTIONS' && !name.startsWith('WAYBILL_')));
  const child = new RunningChild({
    // the first word stands where the name of the program does
    command: process.execPath, arguments: ['--input-type=module', '-e', PROGRAM, '--', 'main.js', ...words], environment: { ...environment, WAYBILL_DATA_DIR: '/nowhere' },
  });
  while (child.running) await new Promise((resolve) => setTimeout(resolve, 10));
  return { exitCode: child.exitCode, output: child.output };
}

describe('an app with commands', () => {
  it('does its own work without a word', async () => {
    expect(await run()).toEqual({ exitCode: 0, output: 'the work without a word\n' });
  });

  it.each([['begin-epoch', '--reason=restore'], ['check-blobs'], ['verify-log']])('runs %s with the words after it, and nothing else', async (...words) => {
    expect(await run(...words)).toEqual({ exitCode: 2, output: expect.stringMatching(/^There is no database in \/nowhere\./) });
  });

  it('refuses a word that names no command', async () => {
    expect(await run('begin-epoc')).toEqual({ exitCode: 2, output: 'There is no command "begin-epoc"; expected one of begin-epoch, check-blobs, copy-blobs, export-audit, publish-again, verify-audit, verify-log, or none.\n' });
  });
});
