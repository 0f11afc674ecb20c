import { setTimeout as sleep } from 'node:timers/promises';
import { getRequest } from './connection.js';
import { runLoad } from './generator.js';
import { oursOnly, readers, type Figures, type Lab, type OwnRow } from './row.js';
import { REPOSITORY } from './seeds.js';
import type { Contender, RunningServer } from './server.js';
import { median, slope } from './statistics.js';

/** Seconds after the first answer at which a server counts as idle: what it does after its start is over, and no load has come. */
const IDLE_AFTER = 5;

const startRow: OwnRow = {
  name: 'start',
  title: 'start: spawn to the first 200 on /v2/, and memory 5 s later',
  metrics: [
    { key: 'first', label: 'first start s (empty folder)', digits: 2, better: 'lower' },
    { key: 'second', label: 'second start s', digits: 2, better: 'lower' },
    { key: 'pss', label: 'idle PSS MB', digits: 0, better: 'lower' },
    { key: 'idleCpu', label: 'idle CPU ms/s', digits: 1, better: 'lower' },
  ],
  targets: [
    { metric: 'second', against: 'itself', atMost: 1.5 },
    { metric: 'pss', against: 'itself', atMost: 160 },
  ],
  rounds: ({ rounds }) => rounds,
  takes: readers,
  sample: async (contender, lab) => {
    const folder = lab.newFolder();
    const first = await lab.start(contender, folder);
    await first.stop();
    const second = await lab.start(contender, folder);
    await sleep((IDLE_AFTER - 2) * 1000);
    const before = second.cpuSeconds();
    await sleep(2000);
    const figures = { first: first.startSeconds, second: second.startSeconds, idleCpu: ((second.cpuSeconds() - before) / 2) * 1000, pss: second.pssMegabytes() };
    await second.stop();
    return figures;
  },
};

/** Samples PSS each `milliseconds` until stopped; returns what was seen. */
function watchPss(server: RunningServer, milliseconds: number): { readonly samples: number[]; stop(): number } {
  const samples = [server.pssMegabytes()];
  const timer = setInterval(() => samples.push(server.pssMegabytes()), milliseconds);
  return {
    samples,
    stop: () => {
      clearInterval(timer);
      return Math.max(...samples);
    },
  };
}

/** MB of PSS while any one blob moves: what is idle, and buffers that do not depend on its size. */
const HUGE_CEILING = 256;

const hugeRow: OwnRow = {
  name: 'huge',
  title: 'a layer of 5 GB: memory while it moves',
  metrics: [
    { key: 'before', label: 'PSS before MB', digits: 0, better: 'lower' },
    { key: 'up', label: 'highest PSS in upload MB', digits: 0, better: 'lower' },
    { key: 'down', label: 'highest PSS in download MB', digits: 0, better: 'lower' },
  ],
  targets: [
    { metric: 'up', against: 'itself', atMost: HUGE_CEILING },
    { metric: 'down', against: 'itself', atMost: HUGE_CEILING },
  ],
  rounds: () => 1,
  takes: readers,
  sample: async (contender, lab) => {
    const server = await lab.start(contender, lab.newFolder());
    const bytes = lab.settings.hugeBytes;
    const before = server.pssMegabytes();
    const up = watchPss(server, 250);
    const upload = await runLoad(server, { kind: 'upload', connections: 1, repository: REPOSITORY, bytes, times: 1, method: 'patch' }, undefined, { limitSeconds: 600 });
    const upMost = up.stop();
    const down = watchPss(server, 250);
    const digest = upload.digests[0] ?? '';
    const path = `/v2/${REPOSITORY}/blobs/${digest}`;
    await runLoad(server, { kind: 'download', connections: 1, path, digest, bytes, times: 1 }, undefined, { limitSeconds: 600 });
    const figures = { before, up: upMost, down: down.stop() };
    await server.stop();
    return figures;
  },
};

const SOAK_LAYER = 32 * 1024 * 1024;
const SOAK_SAMPLE_SECONDS = 10;
/** MB of PSS, against setbacks: 316 were measured. Node 202 (its program 57, heap 75, buffers and what malloc keeps 70), Postgres 105 (ten sessions 55, shared 50). */
const SOAK_CEILING = 340;

/** Ten seconds of mixed work at a rate that every machine can keep: 200 images pushed, manifests read, a layer pushed and pulled. */
async function soakCycle(server: RunningServer, cycle: number): Promise<void> {
  const pushed = runLoad(server, { kind: 'push', connections: 4, repository: `soak/${cycle}`, images: 200, warmUp: 4 }, undefined);
  const upload = await runLoad(server, { kind: 'upload', connections: 1, repository: REPOSITORY, bytes: SOAK_LAYER, times: 1, method: 'patch' }, undefined);
  const digest = upload.digests[0] ?? '';
  const path = `/v2/${REPOSITORY}/blobs/${digest}`;
  await Promise.all([pushed, runLoad(server, { kind: 'download', connections: 4, path, digest, bytes: SOAK_LAYER, times: 2 }, undefined)]);
  const list = [0, 1, 2, 3].map((connection) => getRequest(`/v2/soak/${cycle}-${connection}-0/tags/list?n=10`));
  await runLoad(server, { kind: 'requests', connections: 16, list, status: 200, seconds: 2, warmUp: 0 }, undefined);
}

/** Full rate first: sessions open, and the tables of ended uploads and durable keys fill up to their limits. */
async function soak(server: RunningServer, lab: Lab): Promise<Figures> {
  const before = server.pssMegabytes();
  const { soakImages: images } = lab.settings;
  await runLoad(server, { kind: 'push', connections: 8, repository: 'soak/first', images, warmUp: 4 }, undefined);
  const until = performance.now() + lab.settings.soakSeconds * 1000;
  const watch = watchPss(server, SOAK_SAMPLE_SECONDS * 1000);
  let cycles = 0;
  while (performance.now() < until) {
    const next = performance.now() + 10_000;
    await soakCycle(server, cycles++);
    await sleep(Math.max(0, Math.min(next, until) - performance.now()));
  }
  watch.stop();
  lab.say(`  PSS each ${SOAK_SAMPLE_SECONDS} s, MB: ${watch.samples.map((sample) => sample.toFixed(0)).join(' ')}`);
  const settled = watch.samples.slice(Math.floor(watch.samples.length / 5));
  return {
    start: before,
    filled: watch.samples[0] ?? Number.NaN,
    early: watch.samples[Math.floor(watch.samples.length / 10)] ?? Number.NaN,
    late: median(watch.samples.slice(-Math.max(1, Math.floor(watch.samples.length / 10)))),
    most: Math.max(...watch.samples),
    slope: slope(settled) * (60 / SOAK_SAMPLE_SECONDS),
    images: (cycles * 200) / lab.settings.soakSeconds,
  };
}

const soakRow: OwnRow = {
  name: 'soak',
  title: 'soak of pushes and pulls (200 images, 32 MiB up, 256 MiB down each 10 s)',
  metrics: [
    { key: 'start', label: 'PSS before MB', digits: 0, better: 'lower' },
    { key: 'filled', label: 'PSS after images at full rate MB', digits: 0, better: 'lower' },
    { key: 'early', label: 'PSS after a tenth of the time (1 minute) MB', digits: 0, better: 'lower' },
    { key: 'late', label: 'PSS at the end MB', digits: 0, better: 'lower' },
    { key: 'most', label: 'highest PSS MB', digits: 0, better: 'lower' },
    { key: 'slope', label: 'growth in the last four fifths (8 minutes) MB/min', digits: 2, better: 'lower' },
    { key: 'images', label: 'images pushed a second', digits: 0, better: 'higher' },
  ],
  targets: [
    { metric: 'slope', against: 'itself', atMost: 1 },
    { metric: 'most', against: 'itself', atMost: SOAK_CEILING },
  ],
  rounds: () => 1,
  takes: oursOnly,
  sample: async (contender: Contender, lab: Lab) => {
    const server = await lab.start(contender, lab.newFolder());
    const figures = await soak(server, lab);
    await server.stop();
    return figures;
  },
};

/** Rows about a server's life as a whole. */
export const OWN_ROWS: readonly OwnRow[] = [startRow, hugeRow, soakRow];
