import { chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataDirectoryRefused } from '../data-directory.js';
import { errorCode } from '../error-code.js';
import { isPostmasterOf, majorVersion, type PostgresBinaries, type PostgresUser, spawnPostgres } from './postgres-process.js';

// The directories of an embedded Postgres before it runs. Every function here needs the lock of the data directory.

/** How long an orphan may take for its shutdown checkpoint. */
const STOP_PATIENCE_MS = 20_000;

/** The cluster appears under its name only when it is whole, so a crash in the middle is simply repeated. */
export async function initialise(dataDirectory: string, cluster: string, binaries: PostgresBinaries, user: PostgresUser | undefined): Promise<void> {
  const unfinished = join(dataDirectory, 'postgres.unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  if (user !== undefined) chownSync(unfinished, user.uid, user.gid);
  const child = spawnPostgres(
    binaries.initdb,
    ['-D', unfinished, '-U', 'waybill', '--auth-local=trust', '--auth-host=reject', '-E', 'UTF8', '--locale=C.UTF-8', '--no-instructions'],
    user,
    [unfinished, binaries.postgres],
  );
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { said += text; });
  const code = await new Promise((resolve) => child.once('error', (error) => resolve(error.message)).once('close', resolve));
  if (code !== 0) throw new Error(`${spaceFault(said, dataDirectory)}The database in ${cluster} could not be created (initdb ended with ${String(code)}). It says:\n${said}`);
  renameSync(unfinished, cluster);
}

/** A sentence to begin with, where what a Postgres said comes from a full disk; else nothing. */
export function spaceFault(said: string, dataDirectory: string): string {
  return /No space left on device|Disk quota exceeded/.test(said) ? `The file system of ${dataDirectory} is full: free some space, or choose another directory with WAYBILL_DATA_DIR.\n` : '';
}

/** Major version of the cluster; undefined where there is none yet. Throws DataDirectoryRefused for a folder that is something else or cannot be read. */
export function readVersion(cluster: string): string | undefined {
  try {
    if (readdirSync(cluster).length === 0) return undefined;
    return readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    if (lstatSync(cluster, { throwIfNoEntry: false }) === undefined) return undefined;
    if (errorCode(error) === 'ENOENT') throw new DataDirectoryRefused(`${cluster} is not empty, and it is no Postgres database (no PG_VERSION). It was left untouched; move it away, or choose another directory with WAYBILL_DATA_DIR.`);
    throw new DataDirectoryRefused(`${cluster} cannot be read (${String(error)}). Start Waybill as the user who created it, or choose another directory with WAYBILL_DATA_DIR.`, { cause: error });
  }
}

/** @param found what readVersion gave */
export async function refuseOtherMajor(cluster: string, found: string, binaries: PostgresBinaries): Promise<void> {
  const ours = await majorVersion(binaries);
  if (found === ours) return;
  throw new DataDirectoryRefused(
    `${cluster} was made by Postgres ${found}, and this version of Waybill brings Postgres ${ours}, which cannot read it. It was left untouched. ` +
      `Run a Postgres ${found} server on it and give its address with DATABASE_URL, or dump it there and restore the dump into an empty directory.`,
  );
}

/**
 * A postmaster that outlived its Node process is stopped; only the holder of the lock may do that. Where the recorded pid meanwhile
 * belongs to another program, Postgres would refuse to start: the record then gets our pid, which Postgres takes for stale
 * because we are its parent, and still checks the shared memory that the record names. The file is never removed.
 */
export async function stopOrphan(cluster: string): Promise<void> {
  const record = join(cluster, 'postmaster.pid');
  let text: string;
  try {
    text = readFileSync(record, 'utf8');
  } catch {
    return;
  }
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0) || !isAlive(pid)) return;
  if (!(await isPostmasterOf(pid, cluster))) {
    writeFileSync(record, text.replace(/^\d+/, String(process.pid)));
    return;
  }
  for (const [signal, patience] of [['SIGINT', STOP_PATIENCE_MS], ['SIGQUIT', 5_000]] as const) {
    process.kill(pid, signal);
    for (const end = Date.now() + patience; Date.now() < end; await sleep(20)) if (!isAlive(pid)) return;
  }
  throw new DataDirectoryRefused(`A Postgres of an earlier run (pid ${pid}) still works on ${cluster} and does not stop. Stop it, then start again.`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
