import type { Asked, Asking, Prints } from './asking.js';
import { takenBy } from './asking.js';
import type { Command, Given, Option } from './command.js';
import { misused } from './exit-code.js';
import type { Ending } from './exit-code.js';
import { isItem } from './json.js';
import { CA_FILE, IF_MATCH, JSON_OUTPUT, LIMIT, PASSWORD_STDIN, PLAIN_HTTP, SERVER, YES } from './options.js';
import { printList, printOne, printSaid, printSecret } from './printing.js';
import { ask } from './request.js';
import type { Session } from './session.js';

/** Options of every command that speaks to a registry. */
export const CONNECTING: Readonly<Record<string, Option>> = { server: SERVER, 'ca-file': CA_FILE, 'plain-http': PLAIN_HTTP, json: JSON_OUTPUT };

/** The command of an operation: its options, and what it does. */
export function asking(definition: Asking): Command {
  const { words, summary, details, request, operands = [], password, confirm, prints } = definition;
  const takes = takenBy(definition);
  const options = {
    ...definition.options,
    ...('list' in prints && prints.paged === true ? { limit: prints.limit === undefined ? LIMIT : { ...LIMIT, about: `so many at most; ${prints.limit} unless given` } } : {}),
    ...(password === undefined ? {} : { 'password-stdin': PASSWORD_STDIN }),
    ...(takes.version ? { 'if-match': IF_MATCH } : {}),
    ...(confirm === undefined ? {} : { yes: YES }),
    ...CONNECTING,
  };
  return {
    words, summary, request, takes, operands, options,
    ...(details === undefined ? {} : { details }),
    run: async (session, given) => {
      checkLimit(given);
      const asked = await ask(definition, session, given);
      return asked === undefined ? 'refused' : print(prints, session, asked);
    },
  };
}

function checkLimit({ options }: Given): void {
  const [limit] = options['limit'] ?? [];
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit)) throw misused(`--limit ${limit}: expected a number from 1 on`);
}

async function print(prints: Prints, session: Session, asked: Asked): Promise<Ending> {
  const body = isItem(asked.body) ? asked.body : {};
  if ('list' in prints) {
    const items = session.isJson || prints.named === undefined ? asked.items : await prints.named(asked.items, session, asked);
    printList(session, items, prints.list, asked.more);
    return 'done';
  }
  if ('one' in prints) printOne(session, body, prints.one);
  else if ('said' in prints) printSaid(session, body, `${typeof prints.said === 'string' ? prints.said : prints.said(asked)}: ${asked.spoken}`);
  else if ('secret' in prints) return printSecret(session, body, `${prints.secret}: ${asked.spoken}`);
  else return prints.answer(session, body);
  return 'done';
}
