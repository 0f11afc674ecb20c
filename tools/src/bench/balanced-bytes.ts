import { runLoad, type JobFor } from './generator.js';
import type { Figures, Lab, Metric } from './row.js';
import { REPOSITORY } from './seeds.js';
import type { MeasuredServer } from './server.js';
import type { Part, SplitServer } from './split-server.js';

/** Per cent more than it pays directly, at most (issue 4, 2.2). */
const MORE_CEILING = 5;
/** Runs of each way that take turns with each other. */
const TURNS = 4;
const PARTS = ['blobs', 'nginx', 'gateway'] as const satisfies readonly Part[];
const WAYS = [{ key: 'get', label: 'GET' }, { key: 'upload', label: 'upload' }] as const;

type Costs = Record<(typeof PARTS)[number], number>;

/** CPU seconds of each part for a GB that goes by one job. */
async function costs(entry: MeasuredServer, server: SplitServer, job: JobFor): Promise<Costs> {
  const spent = (): Costs => ({ blobs: server.cpuOf('blobs'), nginx: server.cpuOf('nginx'), gateway: server.cpuOf('gateway') });
  let before = spent();
  const { bytes } = await runLoad(entry, job, undefined, { settle: () => (before = spent()) });
  const after = spent();
  const each = (part: keyof Costs): number => (after[part] - before[part]) / (bytes / 1e9);
  return { blobs: each('blobs'), nginx: each('nginx'), gateway: each('gateway') };
}

/** The sum over all turns: what is rare in one, a flush of the disk or a collection of garbage, is in both by then. */
function mean(all: readonly Costs[], part: keyof Costs): number {
  return all.reduce((sum, one) => sum + one[part], 0) / all.length;
}

/** Bytes of large blobs through nginx, which sends them past the gateway, and straight to a replica: the same processes, in turns. */
export async function balancedBytes(server: SplitServer, lab: Lab): Promise<Figures> {
  const { largeBytes: bytes } = lab.settings;
  const digest = await lab.seeds.layer(server);
  const jobs: Record<(typeof WAYS)[number]['key'], JobFor> = {
    get: { kind: 'download', connections: 1, path: `/v2/${REPOSITORY}/blobs/${digest}`, digest, bytes, times: 4 },
    upload: { kind: 'upload', connections: 1, repository: REPOSITORY, bytes, times: 2, method: 'patch' },
  };
  const figures: Record<string, number> = {};
  for (const { key } of WAYS) {
    const [direct, balanced]: [Costs[], Costs[]] = [[], []];
    for (let turn = 0; turn < TURNS; turn += 1) {
      const both = [{ entry: server.replica, into: direct }, { entry: server, into: balanced }] as const;
      for (const { entry, into } of turn % 2 === 0 ? both : both.toReversed()) {
        if (key === 'upload') lab.touchPages(bytes);
        into.push(await costs(entry, server, jobs[key]));
      }
    }
    figures[`${key} direct`] = mean(direct, 'blobs');
    for (const part of PARTS) figures[`${key} ${part}`] = mean(balanced, part);
    figures[`${key} more`] = (mean(balanced, 'blobs') / mean(direct, 'blobs') - 1) * 100;
  }
  return figures;
}

export const BALANCED_METRICS: readonly Metric[] = WAYS.flatMap(({ key, label }): Metric[] => [
  { key: `${key} direct`, label: `${label} of a large blob, straight to a replica of blobs: its CPU s/GB`, digits: 2, better: 'lower' },
  { key: `${key} blobs`, label: `${label} of a large blob through nginx: CPU s/GB of blobs`, digits: 2, better: 'lower' },
  { key: `${key} nginx`, label: `${label} of a large blob through nginx: CPU s/GB of nginx`, digits: 2, better: 'lower' },
  { key: `${key} gateway`, label: `${label} of a large blob through nginx: CPU s/GB of the gateway`, digits: 2, better: 'lower' },
  { key: `${key} more`, label: `${label} of a large blob through nginx: % more of blobs than directly`, digits: 1, better: 'lower' },
]);

export const BALANCED_TARGETS = WAYS.map(({ key }) => ({ metric: `${key} more`, against: 'itself' as const, atMost: MORE_CEILING }));
