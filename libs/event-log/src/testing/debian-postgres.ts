import { existsSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findBinary, RunningChild, temporaryFolder } from '@waybill/testing';
import type { ChildOptions } from '@waybill/testing';

/** Where its programs are. */
export const DEBIAN_POSTGRES_BIN = '/usr/lib/postgresql/15/bin';
const USER = 'waybill';

export interface DebianPostgres {
  /** Connection string of its database `postgres`, over a unix socket. */
  readonly url: string;
  /** Where its socket is. */
  readonly folder: string;
  /** Of the postmaster. */
  readonly pid: number;
  /** Runs one of its client programs against the server and resolves when it ended well. Throws with what it wrote. */
  run(program: 'pg_dump' | 'pg_restore', args: readonly string[]): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Whether Debian's Postgres 15 is there: the only one here that brings pg_dump. Says so in plain words where it is not; under CI=true
 * that is a failure.
 */
export function hasDebianPostgres(): boolean {
  if (existsSync(join(DEBIAN_POSTGRES_BIN, 'pg_dump')) && existsSync(join(DEBIAN_POSTGRES_BIN, 'initdb'))) return true;
  const reason = `Debian's Postgres 15 is not in ${DEBIAN_POSTGRES_BIN} (package postgresql-15): dump and restore are not tested here.`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  process.stderr.write(`left out: ${reason}\n`);
  return false;
}

/** A new cluster of its own, with transaction ids from the beginning. */
export async function startDebianPostgres(): Promise<DebianPostgres> {
  return start(({ data }) => asServer('initdb', ['-D', data, '-U', USER, '--auth=trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']), 'ready to accept connections');
}

/** A hot standby that streams from `primary`; `SELECT pg_promote()` makes it one itself. */
export async function startDebianStandby(primary: DebianPostgres): Promise<DebianPostgres> {
  return start(({ data }) => asServer('pg_basebackup', ['-h', primary.folder, '-U', USER, '-D', data, '-R', '-X', 'stream', '-c', 'fast', '--no-sync']), 'ready to accept read-only connections');
}

async function start(fill: (at: { readonly data: string }) => ChildOptions, ready: string): Promise<DebianPostgres> {
  const folder = await temporaryFolder('pg15');
  const data = join(folder.path, 'data');
  await mkdir(data, { mode: 0o700 });
  // Postgres does not run as root; 65534 is nobody on every Linux
  if (isRoot()) for (const path of [folder.path, data]) await chown(path, 65_534, 65_534);
  await ended(new RunningChild(fill({ data })));
  const server = new RunningChild(asServer('postgres', ['-D', data, '-k', folder.path, '-c', 'listen_addresses=', '-c', 'fsync=off']));
  await server.waitUntil(() => Promise.resolve(server.output.includes(ready)));
  return {
    url: `postgresql://${USER}@localhost/postgres?host=${encodeURIComponent(folder.path)}`,
    folder: folder.path,
    pid: server.pid,
    run: (program, args) => ended(new RunningChild({ command: join(DEBIAN_POSTGRES_BIN, program), arguments: ['-h', folder.path, '-U', USER, ...args] })),
    async stop() {
      await server.stop('SIGINT');
      await folder.remove();
    },
  };
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function asServer(program: string, args: readonly string[]): ChildOptions {
  const command = join(DEBIAN_POSTGRES_BIN, program);
  if (!isRoot()) return { command, arguments: args };
  return { command: findBinary('setpriv') ?? 'setpriv', arguments: ['--reuid=65534', '--regid=65534', '--clear-groups', '--pdeathsig=INT', command, ...args], folder: '/' };
}

async function ended(child: RunningChild): Promise<void> {
  while (child.running) await new Promise((resolve) => setTimeout(resolve, 10));
  if (child.exitCode !== 0) throw new Error(`${child.options.command} ended with ${child.exitCode}, expected 0. It says:\n${child.output}`);
}
