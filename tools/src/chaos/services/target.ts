import { setTimeout as sleep } from 'node:timers/promises';
import { treePids } from '../../bench/process-tree.js';

/** A process, or a server of several, that faults are done to. */
export interface Target {
  /** For the history of faults: `blobs 1`. */
  readonly name: string;
  /** Its first process; undefined while it is started again by itself. */
  readonly pid: number | undefined;
  /** SIGKILL to all of it; resolves when it is gone. */
  kill(): Promise<void>;
  /** Resolves when it serves again, after `kill` or `end`. */
  start(): Promise<void>;
  /** SIGTERM, or what else ends it in order. Rejects when it does not end in time. Left out where nobody would do that. */
  end?(): Promise<void>;
  logs(): string;
}

/** Stops all processes of the target, as a machine does that swaps, for so many milliseconds. Nothing is closed meanwhile. */
export async function pause({ pid }: Target, milliseconds: number): Promise<void> {
  if (pid === undefined) return;
  // the first one first: it makes no further ones then
  signal(pid, 'SIGSTOP');
  const pids = treePids([pid]);
  for (const each of pids) signal(each, 'SIGSTOP');
  await sleep(milliseconds);
  for (const each of pids) signal(each, 'SIGCONT');
}

/** To one that may have gone meanwhile. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it is gone
  }
}
