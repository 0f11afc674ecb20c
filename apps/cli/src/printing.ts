import type { Ending } from './exit-code.js';
import { textOf } from './json.js';
import type { Item } from './json.js';
import type { Session } from './session.js';
import { linesOf, show, tableOf } from './table.js';

type Out = Pick<Session, 'terminal' | 'isJson'>;

export function printList({ terminal, isJson }: Out, items: readonly Item[], columns: readonly string[], more: boolean): void {
  if (isJson) terminal.print(JSON.stringify(items, null, 2));
  else if (items.length === 0) terminal.note('There are none.');
  else for (const line of tableOf(items, columns)) terminal.print(line);
  if (more) terminal.note('There are more: raise --limit.');
}

export function printOne({ terminal, isJson }: Out, item: Item, members: readonly string[]): void {
  if (isJson) terminal.print(JSON.stringify(item, null, 2));
  else for (const line of linesOf(item, members)) terminal.print(line);
}

/** @param said what was done */
export function printSaid({ terminal, isJson }: Out, item: Item, said: string): void {
  const id = textOf(item, 'id');
  const version = item['version'];
  const more = [...(/^[0-9a-f-]{36}$/.test(id) ? [`id ${id}`] : []), ...(typeof version === 'number' ? [`version ${version}`] : [])];
  if (isJson) terminal.print(JSON.stringify(item, null, 2));
  else terminal.print(`${show(said)}${more.length === 0 ? '' : ` (${more.join(', ')})`}`);
}

/** The secret alone on stdout, so that it goes into a file or a variable as it is; with --json as `secret`. @param said what was made */
export function printSecret({ terminal, isJson }: Out, item: Item, said: string): Ending {
  const secret = textOf(item, 'secret');
  if (secret === '') {
    terminal.note(`It was made (id ${textOf(item, 'id')}), but the answer with the secret was lost on the way, and it is shown once only: revoke it and make another.`);
    return 'refused';
  }
  if (isJson) {
    terminal.print(JSON.stringify(item, null, 2));
    return 'done';
  }
  terminal.note(`${show(said)} (id ${textOf(item, 'id')}). The secret, shown only now:`);
  terminal.print(secret);
  return 'done';
}
