import { createHash } from 'node:crypto';
import { CommandFailed } from './exit-code.js';
import { isItem, parseJson } from './json.js';

const LINE = /^\{"hash":"([0-9a-f]{64})","entry":(\{.*\})\}$/;

/**
 * The lines of an export, each of which has to go on from the one before it, up to the line that says that there are no more.
 * @throws CommandFailed where one does not, and where the last one is missing
 */
export async function* checkedLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let [entries, hash, ended] = [0, '', false];
  for await (const line of linesOf(bytes)) {
    if (ended) throw broken('something follows its end');
    const [, said = '', entry] = LINE.exec(line) ?? [];
    if (entry === undefined) {
      checkEnd(line, entries, hash);
      ended = true;
      continue;
    }
    // nothing is known of what came before the first
    if (entries > 0 && createHash('sha256').update(Buffer.from(hash, 'hex')).update(entry, 'utf8').digest('hex') !== said) throw broken(`line ${entries + 1} does not go on from the one before it`);
    [entries, hash] = [entries + 1, said];
    yield line;
  }
  if (!ended) throw broken(`it was cut after ${entries} lines: ask for it again`);
}

/** @throws CommandFailed */
function checkEnd(line: string, entries: number, hash: string): void {
  const value = parseJson(line);
  const end = isItem(value) ? value['end'] : undefined;
  if (!isItem(end)) throw broken(`line ${entries + 1} is no entry of an audit`);
  if (end['entries'] !== entries || (end['last'] ?? '') !== hash) throw broken(`the server sent ${String(end['entries'])} entries, and ${entries} came`);
}

function broken(how: string): CommandFailed {
  return new CommandFailed('refused', `the export is not whole: ${how}`);
}

async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();   // a character may come in two pieces
  let rest = '';
  for await (const chunk of bytes) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
