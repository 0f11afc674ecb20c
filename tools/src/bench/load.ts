import { runDownloads, runUploads } from './load-bytes.js';
import type { LoadJob, LoadMessage, LoadResult } from './load-job.js';
import { runPushes, runRequests } from './load-requests.js';
import { percentile } from './statistics.js';

/** One measured part: what to do before, and what to measure. */
export interface Load {
  warmUp(): Promise<void>;
  measure(): Promise<Measured>;
}

export interface Measured {
  /** Milliseconds of each operation. */
  readonly latencies: readonly number[];
  readonly bytes: number;
  readonly digests?: readonly string[];
}

async function prepare(job: LoadJob): Promise<Load> {
  switch (job.kind) {
    case 'requests':
      return runRequests(job);
    case 'push':
      return runPushes(job);
    case 'download':
      return runDownloads(job);
    case 'upload':
      return runUploads(job);
  }
}

function say(message: LoadMessage): void {
  process.send?.(message);
}

async function measured(load: Load): Promise<LoadResult> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { latencies, bytes, digests = [] } = await load.measure();
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  return {
    operations: latencies.length,
    bytes,
    seconds,
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    clientCpuSeconds: (used.user + used.system) / 1e6,
    digests,
  };
}

/**
 * The generator's process: takes one job, prepares and warms up, says `ready`, waits for the word to begin (the parent reads the server's
 * CPU clock in between), measures, answers, and ends. Any failure is an answer too.
 */
function serve(): void {
  let load: Load | undefined;
  const failed = (error: unknown): void => say({ error: error instanceof Error ? error.message : String(error) });
  process.on('message', (message: LoadJob | 'begin') => {
    if (message === 'begin') {
      if (load !== undefined) measured(load).then((result) => say({ result }), failed);
      return;
    }
    prepare(message)
      .then(async (prepared) => {
        await prepared.warmUp();
        load = prepared;
        say({ ready: true });
      })
      .catch(failed);
  });
  process.on('disconnect', () => process.exit());
}

serve();
