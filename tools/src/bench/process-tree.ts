import { readFileSync, readdirSync } from 'node:fs';

/** Length of one kernel clock tick in seconds: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_SECONDS = 0.01;

interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** utime + stime, in seconds, to the tick. */
  readonly own: number;
  /** cutime + cstime: what children that exited and were waited for have used, in seconds. */
  readonly children: number;
}

/** Parses one line of /proc/PID/stat. The command may hold spaces and parentheses, so fields are counted from the last ')'. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ').map(Number);
  const at = (field: number): number => fields[field - 3] ?? 0;
  return {
    pid: Number.parseInt(line, 10),
    parent: at(4),
    own: (at(14) + at(15)) * TICK_SECONDS,
    children: (at(16) + at(17)) * TICK_SECONDS,
  };
}

/** The file's text, or undefined: a process can end between two reads. */
function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function allProcesses(): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readIfThere(`/proc/${name}/stat`))
    .filter((line) => line !== undefined)
    .map(parseStat);
}

/** The processes of `roots` and all that descend from them, each once. */
function descendants(roots: readonly number[]): ProcessStat[] {
  const all = allProcesses();
  const found = new Map(all.filter(({ pid }) => roots.includes(pid)).map((stat) => [stat.pid, stat]));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const stat of all) if (found.has(stat.parent)) found.set(stat.pid, stat);
  }
  return [...found.values()];
}

/** Seconds on a CPU by all live threads of a process, to the nanosecond. Threads that ended are missing; 0 where the kernel keeps no schedstat. */
function liveThreadSeconds(pid: number): number {
  let nanoseconds = 0;
  let threads: string[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return 0;
  }
  for (const thread of threads) nanoseconds += Number.parseInt(readIfThere(`/proc/${pid}/task/${thread}/schedstat`) ?? '0', 10);
  return nanoseconds / 1e9;
}

/** Ids of the live processes of a tree. */
export function treePids(roots: readonly number[]): number[] {
  return descendants(roots).map(({ pid }) => pid);
}

/**
 * CPU seconds (user and system) that the tree has used so far; the difference of two calls is what it used between them. A child that exits
 * is not lost: its parent waits for it and carries its time in cutime and cstime. Of the two clocks of a live process the larger is taken:
 * ticks count threads that ended, schedstat resolves what is shorter than a tick.
 */
export function treeCpuSeconds(roots: readonly number[]): number {
  return descendants(roots).reduce((sum, stat) => sum + Math.max(stat.own, liveThreadSeconds(stat.pid)) + stat.children, 0);
}

/** Proportional set size of the tree in MB (1e6 bytes): memory that processes share counts once. */
export function treePssMegabytes(roots: readonly number[]): number {
  return descendants(roots).reduce((sum, { pid }) => {
    const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(readIfThere(`/proc/${pid}/smaps_rollup`) ?? '')?.[1] ?? '0';
    return sum + (Number(kibibytes) * 1024) / 1e6;
  }, 0);
}
