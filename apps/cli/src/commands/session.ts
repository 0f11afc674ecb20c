import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { ApiClient } from '../api-client.js';
import type { Connection } from '../api-client.js';
import { asking, CONNECTING } from '../asking-command.js';
import type { Command, Given } from '../command.js';
import { CommandFailed, misused } from '../exit-code.js';
import type { Ending } from '../exit-code.js';
import { readInstant } from '../instant.js';
import { isItem, textOf } from '../json.js';
import type { Item } from '../json.js';
import { CA_FILE, JSON_OUTPUT, PASSWORD_STDIN, PLAIN_HTTP, SERVER } from '../options.js';
import { readNewPassword } from '../passwords.js';
import { printOne, printSaid } from '../printing.js';
import { withoutServer, withServer, writeLogins } from '../servers.js';
import type { Logins, Server } from '../servers.js';
import { readServerUrl } from '../server-url.js';
import type { Session } from '../session.js';

const SERVER_OPERAND = { name: 'URL', about: 'of the registry; as --server unless given', optional: true, sets: [], bind: () => ({}) } as const;
const LIFE = '90d';

export const SESSION_COMMANDS: readonly Command[] = [
  {
    words: 'login', summary: 'Logs in, for the commands that follow.',
    details: 'A password is exchanged for a personal token of this machine, and not kept. A personal token or the secret of a robot is kept as it is. It goes to ~/.config/waybill, where only you may read it.',
    operands: [SERVER_OPERAND],
    options: {
      username: { value: 'LOGIN', about: 'of a user or robot; not needed with a personal token' },
      'password-stdin': PASSWORD_STDIN,
      until: { value: 'TIME', about: `end of the token that is made; ${LIFE} from now unless given` },
      server: SERVER, 'ca-file': CA_FILE, 'plain-http': PLAIN_HTTP, json: JSON_OUTPUT,
    },
    run: login,
  },
  { words: 'logout', summary: 'Forgets a login, and revokes the token that it made.', operands: [SERVER_OPERAND], options: CONNECTING, run: logout },
  asking({ words: 'whoami', summary: 'Who you are there.', request: 'GET /whoami', prints: { one: ['login', 'kind', 'admin', 'groups', 'id'] } }),
  {
    words: 'password', summary: 'Changes your own password.', request: 'PUT /whoami/password',
    details: 'Ends what the old one opened; personal tokens stay. With --password-stdin the first line is the current password, and the second the new one.',
    operands: [], options: { 'password-stdin': PASSWORD_STDIN, ...CONNECTING }, run: changePassword,
  },
];

async function login(session: Session, given: Given): Promise<Ending> {
  const logins = await session.logins();
  const url = urlOf(session, given, logins);
  if (url === undefined) throw misused('which registry? Expected its address, as https://registry.example.com');
  const old = logins.servers.find((server) => server.url === url);
  const credentials = await readCredentials(session);
  const connection: Connection = { url, credentials, caFile: session.text('ca-file') ?? old?.caFile, plainHttp: session.has('plain-http') || old?.plainHttp === true };
  const api = new ApiClient(connection);
  const self = await api.send({ method: 'GET', path: '/whoami' });
  if (!isItem(self) || textOf(self, 'login') === '') throw new CommandFailed('unreachable', `what answers at ${url} is no Waybill`);
  const kept = await keptOf(session, api, self, credentials.secret);
  const server = { url, login: textOf(self, 'login'), ...kept, ...trustOf(connection) };
  await writeLogins(session.loginsFile, withServer(logins, server));
  if (old?.token !== undefined) await revokeToken(old).catch(() => session.terminal.note('waybill: the token of the login before could not be revoked: `waybill token list`'));
  if (session.isJson) printOne(session, self, []);
  else session.terminal.print(`Logged in to ${url} as ${server.login}.`);
  return 'done';
}

/** Of the server that a login or logout is about. */
function urlOf(session: Session, { operands: [named] }: Given, { current }: Logins): string | undefined {
  return named === undefined ? (session.namedServer ?? current) : readServerUrl(named);
}

/** What is stored in place of what was typed: a password is exchanged for a token. */
async function keptOf(session: Session, api: ApiClient, self: Item, secret: string): Promise<Pick<Server, 'secret' | 'token'>> {
  const until = session.text('until');
  if (textOf(self, 'kind') === 'user' && !secret.startsWith('wbl_')) return makeToken(api, readInstant(until ?? LIFE, 'ahead', session.now));
  if (until !== undefined) throw misused('--until is the end of the token that a password is exchanged for: a token or secret of yours has its own');
  return { secret };
}

function trustOf({ caFile, plainHttp }: Connection): Pick<Server, 'caFile' | 'plainHttp'> {
  return { ...(caFile === undefined ? {} : { caFile: resolve(caFile) }), ...(plainHttp === true ? { plainHttp: true } : {}) };
}

async function readCredentials(session: Session): Promise<{ readonly login: string; readonly secret: string }> {
  const { terminal } = session;
  const secretFirst = session.has('password-stdin') ? await terminal.readInput() : undefined;
  const isToken = secretFirst?.startsWith('wbl_pat_') === true;
  const name = session.text('username') ?? (isToken ? '' : await terminal.ask('Login', 'shown'));
  const secret = secretFirst ?? (await terminal.ask('Password or token', 'hidden'));
  if (secret === '') throw misused('there is no password: nothing was typed, or nothing came on stdin');
  return { login: name, secret };
}

/** Of this machine, so that it can be told from others in a list and revoked alone. */
async function makeToken(api: ApiClient, expiresAt: string): Promise<Pick<Server, 'secret' | 'token'>> {
  const made = await api.send({ method: 'POST', path: '/whoami/tokens', keyed: true, body: { name: `waybill on ${hostname()}`.slice(0, 200), expiresAt } });
  const [secret, token] = isItem(made) ? [textOf(made, 'secret'), textOf(made, 'id')] : ['', ''];
  if (secret === '') throw new CommandFailed('unreachable', 'the answer with the token was lost on the way: log in again');
  return { secret, token };
}

async function revokeToken({ url, token = '', secret, caFile, plainHttp }: Server): Promise<void> {
  await new ApiClient({ url, credentials: { login: '', secret }, caFile, plainHttp }).send({ method: 'DELETE', path: `/whoami/tokens/${token}`, keyed: true });
}

/** What is stored is gone whatever the server says. */
async function logout(session: Session, given: Given): Promise<Ending> {
  const logins = await session.logins();
  const url = urlOf(session, given, logins);
  const server = logins.servers.find((stored) => stored.url === url);
  if (server === undefined) throw new CommandFailed('notAllowed', url === undefined ? 'you are logged in nowhere' : `you are not logged in to ${url}`);
  await writeLogins(session.loginsFile, withoutServer(logins, server.url));
  try {
    if (server.token !== undefined) await revokeToken(server);
  } catch (error) {
    // somebody who revoked it before has done what was wanted
    if (!(error instanceof CommandFailed) || error.ending !== 'notAllowed') {
      session.terminal.note('waybill: the login is forgotten here, and its token could not be revoked: it counts until it ends');
      throw error;
    }
  }
  printSaid(session, {}, `logged out: ${server.url}`);
  return 'done';
}

async function changePassword(session: Session): Promise<Ending> {
  const { current, password } = await readChange(session);
  const body = await (await session.api()).send({ method: 'PUT', path: '/whoami/password', keyed: true, body: { current, password } });
  printSaid(session, isItem(body) ? body : {}, 'password changed');
  return 'done';
}

async function readChange(session: Session): Promise<{ readonly current: string; readonly password: string }> {
  if (session.has('password-stdin')) {
    const [current = '', password, ...more] = (await session.terminal.readInput()).split(/\r?\n/);
    if (password === undefined || more.length > 0) throw misused('two lines are expected on stdin: the current password, and the new one');
    return { current, password };
  }
  const current = await session.terminal.ask('Current password', 'hidden');
  return { current, password: (await readNewPassword(session, 'needed')) ?? '' };
}
