import { loadConfig } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { beginEpochCommand } from './begin-epoch.js';
import { checkBlobsCommand } from './check-blobs.js';
import { copyBlobsCommand } from './copy-blobs.js';
import { publishAgainCommand } from './publish-again.js';
import { exportAuditCommand, verifyAuditCommand } from './verify-audit.js';
import { verifyLogCommand } from './verify-log.js';

/** What a command of the shell does. Resolves to the code that the process ends with; what it rejects with is for a person to read. */
export type Command = (config: Config, words: readonly string[]) => Promise<number>;

/** Runs a command with the configuration of the process and `words` of its command line. One that cannot do its work says why and ends the process with 2. */
export async function runCommand(command: Command, words: readonly string[] = process.argv.slice(2)): Promise<void> {
  process.exitCode = await loadConfig(process.env).then((config) => command(config, words)).catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}${error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''}\n`);
    return 2;
  });
}

/** What is done by hand, as the owner of the schema, where there is no npm: in the image. */
const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['begin-epoch', beginEpochCommand], ['check-blobs', checkBlobsCommand], ['copy-blobs', copyBlobsCommand],
  ['export-audit', exportAuditCommand], ['publish-again', publishAgainCommand], ['verify-audit', verifyAuditCommand], ['verify-log', verifyLogCommand],
]);

/** Runs the command that the first word of the command line names, with the words after it; without a word, `otherwise`. */
export async function runNamedCommand(otherwise: () => Promise<void>): Promise<void> {
  const name = process.argv[2];
  if (name === undefined) return otherwise();
  const unknown = (): Promise<number> => Promise.reject(new Error(`There is no command ${JSON.stringify(name)}; expected one of ${[...COMMANDS.keys()].join(', ')}, or none.`));
  return runCommand(COMMANDS.get(name) ?? unknown, process.argv.slice(3));
}
