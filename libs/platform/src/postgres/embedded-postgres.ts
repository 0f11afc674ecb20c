import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataDirectoryLock, DataDirectoryRefused } from '../data-directory.js';
import { errorCode } from '../error-code.js';
import { chooseUser, findBinaries, isPostmasterOf, majorVersion, type PostgresBinaries, type PostgresUser, spawnPostgres } from './postgres-process.js';
import { EMBEDDED_SETTINGS } from './postgres-settings.js';

export interface EmbeddedPostgresOptions {
  /** Holds `lock` and the cluster in `postgres/`. Created where missing. */
  readonly dataDirectory: string;
  /** Takes each line that the server logs about itself. */
  readonly onLog?: (line: string) => void;
  /** Override single settings of EMBEDDED_SETTINGS. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

/** How long a predecessor may take to let go of the cluster, and a server to recover, before we give up. */
const START_PATIENCE_MS = 60_000;
const STOP_PATIENCE_MS = 20_000;
/** sun_path holds 107 bytes, and the server appends "/.s.PGSQL.5432" and ".lock" for its lock file. */
const SOCKET_DIRECTORY_MAX = 107 - '/.s.PGSQL.5432.lock'.length;
/** What Postgres says while processes of a killed postmaster still hold the cluster; it passes within about a second. */
const STILL_HELD = /lock file "postmaster\.pid" already exists|pre-existing shared memory block|lock file .* already exists/;

/** A Postgres of our own, supervised: it stops when this process dies, and is started again when it dies under us. */
export class EmbeddedPostgres {
  private child: ChildProcess | undefined;
  private stopping = false;
  private supervision: Promise<void> = Promise.resolve();

  private constructor(
    private readonly cluster: string,
    private readonly socketDirectory: string,
    private readonly lock: DataDirectoryLock,
    private readonly binaries: PostgresBinaries,
    private readonly user: PostgresUser | undefined,
    private readonly options: EmbeddedPostgresOptions,
  ) {}

  /**
   * Resolves when the server accepts connections. Throws DataDirectoryRefused, leaving everything as it was, when the directory
   * is in use, was made by another Postgres major, or is no cluster. Call it from the main thread (see spawnPostgres).
   */
  static async start(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
    const [binaries, lock] = await Promise.all([findBinaries(), DataDirectoryLock.take(options.dataDirectory)]);
    try {
      const dataDirectory = realpathSync(options.dataDirectory);
      const cluster = join(dataDirectory, 'postgres');
      const user = chooseUser(cluster);
      const found = readVersion(cluster);
      if (found === undefined) await initialise(dataDirectory, cluster, binaries, user);
      else await refuseOtherMajor(cluster, found, binaries);
      await stopOrphan(cluster);
      const server = new EmbeddedPostgres(cluster, makeSocketDirectory(cluster, user), lock, binaries, user, options);
      await server.launch();
      return server;
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** Connection string over the unix socket. */
  get url(): string {
    return `postgresql://waybill@localhost/postgres?host=${encodeURIComponent(this.socketDirectory)}`;
  }

  /** The postmaster's process id; undefined while it is being started again. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Lets this process end while the server runs; the server is then stopped as after a kill. For tests. */
  unref(): void {
    this.child?.unref();
    if (this.child?.stderr instanceof Socket) this.child.stderr.unref();
  }

  /** Ends every session, writes a checkpoint and gives the data directory back. Harmless when repeated. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.supervision;
    await stopProcess(this.child);
    rmSync(this.socketDirectory, { recursive: true, force: true });
    this.lock.release();
  }

  private async launch(): Promise<void> {
    const deadline = Date.now() + START_PATIENCE_MS;
    for (;;) {
      const failure = await this.tryLaunch();
      if (failure === undefined) return;
      if (!STILL_HELD.test(failure) || Date.now() > deadline) throw new Error(`The embedded Postgres in ${this.cluster} does not start. It says:\n${failure}`);
      await sleep(50);
    }
  }

  /** Undefined when the server is up, else what it said before it ended. */
  private async tryLaunch(): Promise<string | undefined> {
    const settings = Object.entries({ ...EMBEDDED_SETTINGS, ...this.options.settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = spawnPostgres(this.binaries.postgres, ['-D', this.cluster, '-k', this.socketDirectory, ...settings], this.user, [this.cluster, this.socketDirectory]);
    this.child = child;
    const failure = await untilReady(child, this.options.onLog);
    if (failure === undefined) child.once('exit', () => this.onExit());
    return failure;
  }

  /** The server died under us: clients see failed connections until it is back. */
  private onExit(): void {
    this.child = undefined;
    if (this.stopping) return;
    this.supervision = this.relaunch();
  }

  private async relaunch(): Promise<void> {
    for (let pause = 100; !this.stopping; pause = Math.min(pause * 2, 5_000)) {
      try {
        await this.launch();
        return;
      } catch (error) {
        this.options.onLog?.(`${String(error)}; trying again in ${pause} ms`);
        await sleep(pause);
      }
    }
  }
}

/** Resolves with undefined once the server accepts connections, or with its last lines when it ended before. */
function untilReady(child: ChildProcess, onLog: ((line: string) => void) | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const lines: string[] = [];
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) {
        if (lines.push(line) > 20) lines.shift();
        onLog?.(line);
        if (line.includes('ready to accept connections')) resolve(undefined);
      }
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve([...lines, rest, `(ended with ${signal ?? `code ${code}`})`].filter((line) => line !== '').join('\n')));
  });
}

/** The cluster appears under its name only when it is whole, so a crash in the middle is simply repeated. */
async function initialise(dataDirectory: string, cluster: string, binaries: PostgresBinaries, user: PostgresUser | undefined): Promise<void> {
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
  if (code !== 0) throw new Error(`The database in ${cluster} could not be created (initdb ended with ${String(code)}). It says:\n${said}`);
  renameSync(unfinished, cluster);
}

function readVersion(cluster: string): string | undefined {
  try {
    if (readdirSync(cluster).length === 0) return undefined;
    return readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  } catch (error) {
    if (lstatSync(cluster, { throwIfNoEntry: false }) === undefined) return undefined;
    if (errorCode(error) === 'ENOENT') throw new DataDirectoryRefused(`${cluster} is not empty, and it is no Postgres database (no PG_VERSION). It was left untouched; move it away, or choose another directory with WAYBILL_DATA_DIR.`);
    throw new DataDirectoryRefused(`${cluster} cannot be read (${String(error)}). Start Waybill as the user who created it, or choose another directory with WAYBILL_DATA_DIR.`, { cause: error });
  }
}

async function refuseOtherMajor(cluster: string, found: string, binaries: PostgresBinaries): Promise<void> {
  const ours = await majorVersion(binaries);
  if (found === ours) return;
  throw new DataDirectoryRefused(
    `${cluster} was made by Postgres ${found}, and this version of Waybill brings Postgres ${ours}, which cannot read it. It was left untouched. ` +
      `Run a Postgres ${found} server on it and give its address with DATABASE_URL, or dump it there and restore the dump into an empty directory.`,
  );
}

/** The same directory at every start, so that a crash leaves nothing behind; a random one where somebody else took the name. */
function makeSocketDirectory(cluster: string, user: PostgresUser | undefined): string {
  const base = Buffer.byteLength(tmpdir()) + 30 <= SOCKET_DIRECTORY_MAX ? tmpdir() : '/tmp';
  const path = join(base, `waybill-${createHash('sha256').update(cluster).digest('hex').slice(0, 16)}`);
  const owner = user?.uid ?? process.getuid?.();
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) mkdirSync(path, { mode: 0o700 });
  const trusted = found === undefined || (found.isDirectory() && found.uid === owner && (found.mode & 0o077) === 0);
  const directory = trusted ? path : mkdtempSync(join(base, 'waybill-'));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  chmodSync(directory, 0o700);
  // We hold the data directory, so a socket in here is a dead server's; its lock file could name a pid that now is another process.
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { force: true });
  return directory;
}

/**
 * A postmaster that outlived its Node process is stopped; only the holder of the lock may do that. Where the recorded pid meanwhile
 * belongs to another program, Postgres would refuse to start: the record then gets our pid, which Postgres takes for stale
 * because we are its parent, and still checks the shared memory that the record names. The file is never removed.
 */
async function stopOrphan(cluster: string): Promise<void> {
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

async function stopProcess(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
