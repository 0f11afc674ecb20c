import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadJob, LoadMessage, LoadResult } from './load-job.js';
import type { MeasuredServer } from './server.js';

const LOAD = fileURLToPath(new URL('load.js', import.meta.url));

export interface Measurement extends LoadResult {
  /** CPU seconds of all processes of the server while the load was measured. */
  readonly serverCpuSeconds: number;
}

/** A job without its port: that is the server's. */
export type JobFor<J extends LoadJob = LoadJob> = J extends LoadJob ? Omit<J, 'port'> : never;

export interface LoadConditions {
  /** Seconds after which the generator is killed; 300 by default. */
  readonly limitSeconds?: number;
  /** Called after the warm-up, before the clocks start. */
  readonly settle?: () => void;
}

/**
 * Runs one job against a server in a process of its own, on `core` only where one is given. The server's CPU clock is read between warm-up
 * and measurement, and after it. Throws what the generator reports, and past its limit, when it is killed.
 */
export async function runLoad(server: MeasuredServer, job: JobFor, core: number | undefined, { limitSeconds = 300, settle }: LoadConditions = {}): Promise<Measurement> {
  const pinned = core === undefined ? {} : { execPath: 'taskset', execArgv: ['-c', String(core), process.execPath] };
  const child = fork(LOAD, { serialization: 'advanced', execArgv: [], ...pinned });
  const whole: LoadJob = { ...job, port: server.port };
  try {
    return await new Promise<Measurement>((resolve, reject) => {
      let before = Number.NaN;
      const limit = setTimeout(() => reject(new Error(`${server.name}: no result of a ${job.kind} load after ${limitSeconds} s`)), limitSeconds * 1000);
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`${server.name}: the load generator ended early (${String(code)})`)));
      child.on('close', () => clearTimeout(limit));
      child.on('message', (message: LoadMessage) => {
        if ('ready' in message) {
          try {
            settle?.();
          } catch (error) {
            return reject(error instanceof Error ? error : new Error(String(error)));
          }
          before = server.cpuSeconds();
          child.send('begin');
        } else if ('error' in message) reject(new Error(`${server.name}: ${message.error}`));
        else resolve({ ...message.result, serverCpuSeconds: server.cpuSeconds() - before });
      });
      child.send(whole);
    });
  } finally {
    child.kill('SIGKILL');
  }
}
