import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@waybill/testing';
import { Connection, getRequest } from './connection.js';
import { treeCpuSeconds, treePids, treePssMegabytes } from './process-tree.js';

/** How to run one registry: what a column of the table is made of. */
export interface Contender {
  /** Heading of its column. */
  readonly name: string;
  readonly kind: 'ours' | 'distribution' | 'zot' | 'olareg';
  /** What was run, for the report: version, settings that matter. */
  readonly about: string;
  /** Writes any configuration file into `dataDir` and returns the command line and environment that serve 127.0.0.1:`port`. */
  command(dataDir: string, port: number, metricsPort: number): LaunchCommand;
  /** A gateway of the same checkout in front of one process at `address` (host:port) that answers everything. Ours only. */
  gateway?(address: string): Contender;
}

export interface LaunchCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Longest wait for a registry's first 200 on /v2/ (a first start makes a database), in ms. */
const START_LIMIT = 60_000;
const STOP_LIMIT = 15_000;

async function answersPing(port: number): Promise<boolean> {
  try {
    const connection = await Connection.open(port);
    const { status } = await connection.send(getRequest('/v2/'));
    connection.close();
    // one that asks for a login serves too
    return status === 200 || status === 401;
  } catch {
    return false;
  }
}

/** What load is sent to, and whose CPU counts. */
export interface MeasuredServer {
  /** For messages. */
  readonly name: string;
  readonly port: number;
  /** CPU seconds of all its processes so far. */
  cpuSeconds(): number;
}

/** A registry process that serves, with all that it started. */
export class RunningServer implements MeasuredServer {
  private stopped = false;

  private constructor(
    readonly contender: Contender,
    readonly port: number,
    readonly dataDir: string,
    /** Spawn to the first 200 on /v2/, in seconds. */
    readonly startSeconds: number,
    private readonly child: ChildProcess,
  ) {}

  /** Spawns the contender, on `core` only where one is given, and waits for its first 200 on /v2/. Throws with the end of its output when it dies or takes longer than a minute. */
  static async start(contender: Contender, dataDir: string, core?: number): Promise<RunningServer> {
    const port = await freePort();
    const { file, args, env } = contender.command(dataDir, port, await freePort());
    const pinned = core === undefined ? [file, ...args] : ['taskset', '-c', String(core), file, ...args];
    const began = performance.now();
    const child = spawn(pinned[0] ?? file, pinned.slice(1), { cwd: dataDir, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (output = (output + text.toString()).slice(-2000)));
    let failure: Error | undefined;
    child.on('error', (error) => (failure = error));
    while (!(await answersPing(port))) {
      if (failure !== undefined || child.exitCode !== null || performance.now() - began > START_LIMIT) {
        child.kill('SIGKILL');
        throw new Error(`${contender.name} did not answer GET /v2/ with 200: ${failure?.message ?? `exit ${String(child.exitCode)}`}\n${output}`);
      }
      await sleep(2);
    }
    return new RunningServer(contender, port, dataDir, (performance.now() - began) / 1000, child);
  }

  get name(): string {
    return this.contender.name;
  }

  cpuSeconds(): number {
    return treeCpuSeconds(this.roots());
  }

  /** PSS of all its processes, in MB. */
  pssMegabytes(): number {
    return treePssMegabytes(this.roots());
  }

  /** Asks it to stop, and kills what is still there of its own processes after 15 s. */
  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    const roots = this.roots();
    const pids = treePids(roots);
    if (!hasExited(this.child)) {
      const exited = once(this.child, 'exit');
      this.child.kill('SIGTERM');
      await Promise.race([exited, sleep(STOP_LIMIT, undefined, { ref: false })]);
    }
    for (const pid of treePids([...roots, ...pids]).filter((candidate) => pids.includes(candidate))) killQuietly(pid);
  }

  /** The process we started, and the postmaster that its data directory names, should it have detached itself. */
  private roots(): number[] {
    const pid = this.child.pid === undefined || hasExited(this.child) ? [] : [this.child.pid];
    try {
      const postmaster = Number.parseInt(readFileSync(join(this.dataDir, 'data/postgres/postmaster.pid'), 'utf8'), 10);
      // The file outlives a crash, and its number may then be another process's.
      return readFileSync(`/proc/${postmaster}/comm`, 'utf8').startsWith('postgres') ? [...pid, postmaster] : pid;
    } catch {
      return pid;
    }
  }
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** Whether processes can be bound to cores here: `taskset` is there and there are two cores at least. */
export function canPin(): boolean {
  return spawnSync('taskset', ['-c', '1', 'true']).status === 0;
}
