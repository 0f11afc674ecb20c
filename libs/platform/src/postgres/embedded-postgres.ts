import type { ChildProcess } from 'node:child_process';
import { realpathSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DataDirectoryLock } from '../data-directory.js';
import { initialise, readVersion, refuseOtherMajor, spaceFault, stopOrphan } from './postgres-cluster.js';
import { chooseUser, findBinaries, type PostgresBinaries, type PostgresUser, spawnPostgres } from './postgres-process.js';
import { EMBEDDED_SETTINGS } from './postgres-settings.js';
import { makeSocketDirectory, refreshSocketDirectory, removeStaleSocketDirectories } from './socket-directory.js';

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
      await Promise.all([server.launch(), removeStaleSocketDirectories(server.socketDirectory)]);
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
      if (!STILL_HELD.test(failure) || Date.now() > deadline) throw new Error(`${spaceFault(failure, this.options.dataDirectory)}The embedded Postgres in ${this.cluster} does not start. It says:\n${failure}`);
      await sleep(50);
    }
  }

  /** Undefined when the server is up, else what it said before it ended. */
  private async tryLaunch(): Promise<string | undefined> {
    refreshSocketDirectory(this.socketDirectory, this.user);
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

async function stopProcess(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}
