import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { PostgresUser } from './postgres-process.js';

// The directory of the unix socket. It stands under the system's temporary one, because not every volume that takes data takes sockets.

/** sun_path holds 107 bytes, and the server appends "/.s.PGSQL.5432" and ".lock" for its lock file. */
const SOCKET_DIRECTORY_MAX = 107 - '/.s.PGSQL.5432.lock'.length;
const SOCKET = '.s.PGSQL.5432';
/** A directory that nobody has used for so long is no start that is on its way. */
const STALE_MS = 3_600_000;

/** The same directory at every start, so that a crash leaves nothing behind; a random one where somebody else took the name. */
export function makeSocketDirectory(cluster: string, user: PostgresUser | undefined): string {
  const base = Buffer.byteLength(tmpdir()) + 30 <= SOCKET_DIRECTORY_MAX ? tmpdir() : '/tmp';
  // not of its path alone: containers that share the temporary directory have data of their own at the same path
  const { dev, ino } = statSync(cluster);
  const path = join(base, `waybill-${createHash('sha256').update(`${cluster}\0${dev}\0${ino}`).digest('hex').slice(0, 16)}`);
  const owner = user?.uid ?? process.getuid?.();
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) mkdirSync(path, { mode: 0o700 });
  const trusted = found === undefined || (found.isDirectory() && found.uid === owner && (found.mode & 0o077) === 0);
  const directory = trusted ? path : mkdtempSync(join(base, 'waybill-'));
  refreshSocketDirectory(directory, user);
  // We hold the data directory, so a socket in here is a dead server's; its lock file could name a pid that now is another process.
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { force: true });
  return directory;
}

/** Call it before each launch: the directory is there, and not stale in the eyes of another start. */
export function refreshSocketDirectory(directory: string, user: PostgresUser | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  chmodSync(directory, 0o700);
  utimesSync(directory, new Date(), new Date());
}

/**
 * Removes what servers of the same user left beside `directory` when they were killed and never started again, as when their data are gone.
 * Whether somebody listens is asked of the socket, not of a recorded pid, which says nothing in another container.
 */
export async function removeStaleSocketDirectories(directory: string): Promise<void> {
  const { uid } = lstatSync(directory);
  for (const stale of socketDirectories(dirname(directory))) {
    try {
      const found = lstatSync(stale);
      if (!found.isDirectory() || found.uid !== uid || found.mtimeMs > Date.now() - STALE_MS || (await isListening(join(stale, SOCKET)))) continue;
      for (const name of [SOCKET, `${SOCKET}.lock`]) rmSync(join(stale, name), { force: true });
      rmdirSync(stale);
    } catch {
      // another start was faster, or there is something in it that is not ours
    }
  }
}

/** None where the temporary directory cannot be listed, as some systems have it. */
function socketDirectories(base: string): string[] {
  try {
    return readdirSync(base).filter((name) => /^waybill-[0-9a-f]{16}$/.test(name)).map((name) => join(base, name));
  } catch {
    return [];
  }
}

function isListening(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    const answer = (listens: boolean): void => {
      connection.destroy();
      resolve(listens);
    };
    connection.once('connect', () => answer(true)).once('error', (error: NodeJS.ErrnoException) => answer(error.code !== 'ECONNREFUSED'));
  });
}
