import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommandFailed } from './exit-code.js';
import { isItem, parseJson, textOf } from './json.js';
import type { Item } from './json.js';
import { writePrivateFile } from './private-file.js';

/** What is known of a registry where somebody logged in. */
export interface Server {
  readonly url: string;
  /** Of whoever logged in. */
  readonly login: string;
  /** A personal token, which needs no login beside it, or the secret of a robot. */
  readonly secret: string;
  /** Of the token that the login made, which a logout revokes. */
  readonly token?: string;
  /** Absolute path of certificates that are trusted besides. */
  readonly caFile?: string;
  /** Whether credentials may cross a network in clear. */
  readonly plainHttp?: boolean;
}

/** The file with all logins of this person. */
export interface Logins {
  /** URL of the server that is meant where none is named. */
  readonly current: string | undefined;
  readonly servers: readonly Server[];
}

const NOBODY: Logins = { current: undefined, servers: [] };

/** Below XDG_CONFIG_HOME, which has to be absolute to count (XDG Base Directory Specification). */
export function loginsFile(environment: NodeJS.ProcessEnv): string {
  const folder = environment['XDG_CONFIG_HOME'] ?? '';
  return join(folder.startsWith('/') ? folder : join(environment['HOME'] ?? homedir(), '.config'), 'waybill', 'servers.json');
}

/** @param warn told in words where others may read the file @throws CommandFailed where the file is damaged */
export async function readLogins(file: string, warn: (text: string) => void): Promise<Logins> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (isItem(error) && error['code'] === 'ENOENT') return undefined;
    throw new CommandFailed('refused', `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  });
  if (text === undefined) return NOBODY;
  if (((await stat(file)).mode & 0o077) !== 0) warn(`others may read ${file}, which holds your logins: chmod 600 it`);
  const value = parseJson(text);
  if (!isItem(value) || !isItem(value['servers'])) throw new CommandFailed('refused', `${file} is not what this program writes: mend or remove it, and log in again`);
  const current = textOf(value, 'current');
  return { current: current === '' ? undefined : current, servers: Object.entries(value['servers']).flatMap(([url, entry]) => (isItem(entry) ? [serverOf(url, entry)] : [])) };
}

function serverOf(url: string, entry: Item): Server {
  const [token, caFile] = [textOf(entry, 'token'), textOf(entry, 'caFile')];
  return {
    url, login: textOf(entry, 'login'), secret: textOf(entry, 'secret'),
    ...(token === '' ? {} : { token }), ...(caFile === '' ? {} : { caFile }), ...(entry['plainHttp'] === true ? { plainHttp: true } : {}),
  };
}

/** Whoever reads the file has the old content or the new one, and nobody else may read either. */
export async function writeLogins(file: string, { current, servers }: Logins): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const value = { ...(current === undefined ? {} : { current }), servers: Object.fromEntries(servers.map(({ url, ...server }) => [url, server])) };
  await writePrivateFile(file, `${JSON.stringify(value, null, 2)}\n`);
}

/** With a server added or replaced, which becomes the current one. */
export function withServer({ servers }: Logins, server: Server): Logins {
  return { current: server.url, servers: [...servers.filter(({ url }) => url !== server.url), server] };
}

/** Without a server; where it was the current one, the first of the others is. */
export function withoutServer({ current, servers }: Logins, url: string): Logins {
  const left = servers.filter((server) => server.url !== url);
  return { current: current === url ? left[0]?.url : current, servers: left };
}
