import type { Command, Given } from '../command.js';
import { CommandFailed } from '../exit-code.js';
import type { Ending } from '../exit-code.js';
import { JSON_OUTPUT } from '../options.js';
import { printList, printSaid } from '../printing.js';
import { writeLogins } from '../servers.js';
import { readServerUrl } from '../server-url.js';
import type { Session } from '../session.js';

export const SERVER_COMMANDS: readonly Command[] = [
  { words: 'server list', summary: 'Where you are logged in, and as whom.', operands: [], options: { json: JSON_OUTPUT }, run: list },
  {
    words: 'server use', summary: 'Says which registry is meant where none is named.',
    operands: [{ name: 'URL', about: 'of a registry where you are logged in', sets: [], bind: () => ({}) }], options: { json: JSON_OUTPUT }, run: use,
  },
];

async function list(session: Session): Promise<Ending> {
  const { current, servers } = await session.logins();
  printList(session, servers.map(({ url, login, caFile }) => ({ url, login, current: url === current, caFile: caFile ?? null })), ['url', 'login', 'current', 'caFile'], false);
  return 'done';
}

async function use(session: Session, { operands: [text = ''] }: Given): Promise<Ending> {
  const [logins, url] = [await session.logins(), readServerUrl(text)];
  if (!logins.servers.some((server) => server.url === url)) throw new CommandFailed('notAllowed', `you are not logged in to ${url}: \`waybill login ${url}\``);
  await writeLogins(session.loginsFile, { ...logins, current: url });
  printSaid(session, {}, `from now on: ${url}`);
  return 'done';
}
