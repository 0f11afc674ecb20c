import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

/** A limit of memory that processes share, as a container has one. */
export interface MemoryGroup {
  /** A command that puts itself into the group and then becomes this one. */
  within(command: readonly string[]): readonly [string, ...string[]];
  /** Bytes that the processes had at most so far; the kernel ends one of them rather than to give more than the limit. */
  most(): number;
  /** Once no process is in it any more. */
  remove(): void;
}

interface Kind {
  readonly root: string;
  readonly limit: string;
  readonly most: string;
}

/** Of the two that Linux has, the one that counts memory here. Each wants root, and a tree that is not read-only, as it is in most containers. */
const KINDS: readonly Kind[] = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', most: 'memory.max_usage_in_bytes' },
  { root: '/sys/fs/cgroup', limit: 'memory.max', most: 'memory.peak' },
];

/** Undefined where this machine lets nobody make one; then the reason is printed in plain words. Under `CI=true` that is a failure. */
export function makeMemoryGroup(bytes: number): MemoryGroup | undefined {
  const faults: string[] = [];
  for (const { root, limit, most } of KINDS) {
    const folder = `${root}/waybill-test-${randomUUID()}`;
    try {
      mkdirSync(folder);
    } catch (error) {
      faults.push(String(error));
      continue;
    }
    if (existsSync(`${folder}/${limit}`)) {
      writeFileSync(`${folder}/${limit}`, String(bytes));
      return {
        within: (command) => ['/bin/sh', '-c', `echo $$ > ${folder}/cgroup.procs && exec "$@"`, 'sh', ...command],
        most: () => Number(readFileSync(`${folder}/${most}`, 'utf8')),
        remove: () => rmdirSync(folder),
      };
    }
    rmdirSync(folder);
    faults.push(`${root} does not count memory`);
  }
  const reason = `No control group with a limit of memory can be made here: ${faults.join('; ')}. Run as root where /sys/fs/cgroup may be written.`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  process.stderr.write(`left out: ${reason}\n`);
  return undefined;
}
