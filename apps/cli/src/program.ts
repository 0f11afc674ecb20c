import { readFileSync } from 'node:fs';
import { COMMANDS } from './commands.js';
import { readCommandLine } from './command-line.js';
import { CommandFailed, EXIT_CODES } from './exit-code.js';
import type { Ending } from './exit-code.js';
import { helpFor } from './help.js';
import { Session } from './session.js';
import { Terminal } from './terminal.js';
import type { TerminalStreams } from './terminal.js';

/** Runs one command line. @returns the exit code */
export async function runCommandLine(words: readonly string[], streams: TerminalStreams, environment: NodeJS.ProcessEnv): Promise<number> {
  const terminal = new Terminal(streams);
  try {
    return EXIT_CODES[await run(words, terminal, environment)].code;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    report(terminal, error, words.includes('--json'));
    return EXIT_CODES[error.ending].code;
  }
}

async function run(words: readonly string[], terminal: Terminal, environment: NodeJS.ProcessEnv): Promise<Ending> {
  const line = readCommandLine(words, COMMANDS);
  switch (line.kind) {
    case 'version': terminal.print(version()); return 'done';
    case 'help': terminal.print(helpFor(line.words, COMMANDS)); return 'done';
    case 'run': return line.command.run(new Session(terminal, environment, line.given.options, new Date(), COMMANDS), line.given);
  }
}

/** Of the package, which is one with the registry. */
function version(): string {
  const found = /"version": "([^"]+)"/.exec(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))?.[1];
  return `waybill ${found ?? 'of no version'}`;
}

/** To stderr: in words, or as JSON where programs read. */
function report(terminal: Terminal, { message, ending, problem }: CommandFailed, isJson: boolean): void {
  if (isJson) terminal.note(JSON.stringify({ exit: EXIT_CODES[ending].code, ...(problem ?? { detail: message }) }));
  else terminal.note(message.split('\n').map((line, index) => (index === 0 ? `waybill: ${line}` : `  ${line}`)).join('\n'));
}
