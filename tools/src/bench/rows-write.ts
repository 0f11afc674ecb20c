import { runLoad, type Measurement } from './generator.js';
import { MANIFEST_TYPE, manifestOf } from './image.js';
import { all, readers, type Figures, type Metric, type SharedRow, type Target } from './row.js';
import { rateFigures } from './rows-read.js';
import { REPOSITORY, putTag, seedBlobs, tagName } from './seeds.js';

const GB = 1e9;

const BYTES_METRICS: readonly Metric[] = [
  { key: 'cpu', label: 'CPU s/GB', digits: 2, better: 'lower', showBest: true },
  { key: 'rate', label: 'MB/s', digits: 0, better: 'higher', showBest: true },
];

function bytesFigures({ bytes, seconds, serverCpuSeconds, clientCpuSeconds }: Measurement): Figures {
  return { cpu: (serverCpuSeconds / bytes) * GB, rate: bytes / seconds / 1e6, busy: clientCpuSeconds / seconds };
}

const downloadRow: SharedRow = {
  name: 'download',
  title: 'GET blob of 256 MiB',
  metrics: BYTES_METRICS,
  targets: [
    { metric: 'cpu', against: 'best', atMost: 1 },
    { metric: 'rate', against: 'best', atLeast: 1.1 },
  ],
  pinned: false,
  takes: readers,
  open: async (server, lab) => {
    const digest = await lab.seeds.layer(server);
    const path = `/v2/${REPOSITORY}/blobs/${digest}`;
    return async () => bytesFigures(await runLoad(server, { kind: 'download', connections: 1, path, digest, bytes: lab.settings.largeBytes, times: 6 }, undefined));
  },
};

const WARM_UP_UPLOADS = 3;

const UPLOAD_TARGETS: readonly Target[] = [
  { metric: 'cpu', against: 'zot', atMost: 1 },
  { metric: 'cpu', against: 'distribution', atMost: 1.35 },
  { metric: 'rate', against: 'distribution', atLeast: 0.75 },
];

function uploadRow(name: string, title: string, method: 'patch' | 'put'): SharedRow {
  return {
    name,
    title,
    metrics: BYTES_METRICS,
    targets: UPLOAD_TARGETS,
    pinned: false,
    takes: all,
    open: async (server, lab) => {
      const bytes = lab.settings.largeBytes;
      // One upload a run: pages that were touched go back to the host after some two seconds.
      const job = { kind: 'upload', connections: 1, repository: REPOSITORY, bytes, times: 1, method } as const;
      // a registry that has been running for a while is asked about, as with pushes: heaps grow and functions are compiled in the first uploads
      for (let i = 0; i < WARM_UP_UPLOADS; i++) await runLoad(server, job, undefined);
      return async () => bytesFigures(await runLoad(server, job, undefined, { settle: () => lab.touchPages(bytes * 4) }));
    },
  };
}

function metricsPer(operation: 'image' | 'request'): readonly Metric[] {
  return [
    { key: 'cpu', label: `CPU ms/${operation}`, digits: 2, better: 'lower' },
    { key: 'rate', label: `${operation}s/s`, digits: 0, better: 'higher' },
    { key: 'p50', label: 'p50 ms', digits: 1, better: 'lower' },
    { key: 'p99', label: 'p99 ms', digits: 1, better: 'lower' },
  ];
}

/** The figures of a rate row, with the CPU in ms. */
function writeFigures(measured: Measurement): Figures {
  const figures = rateFigures(measured);
  return { ...figures, cpu: (figures['cpu'] ?? Number.NaN) / 1000 };
}

function pushRow(name: string, title: string, connections: number, targets: readonly Target[]): SharedRow {
  return {
    name,
    title,
    metrics: metricsPer('image'),
    targets,
    pinned: false,
    takes: all,
    open: async (server, { settings }) => {
      let round = 0;
      const images = connections === 1 ? settings.imagesAlone : settings.imagesTogether;
      // A repository of its own for each round and connection: what a push costs must not depend on how many rounds were before.
      return async () =>
        writeFigures(await runLoad(server, { kind: 'push', connections, repository: `bench/${name}-${round++}`, images, warmUp: Math.ceil(images / 2) }, undefined));
    },
  };
}

const manifestRow: SharedRow = {
  name: 'manifest',
  title: 'PUT manifest of known blobs, 8 at once, each with a tag of its own',
  metrics: metricsPer('request'),
  targets: [
    { metric: 'cpu', against: 'distribution', atMost: 0.5 },
    { metric: 'rate', against: 'distribution', atLeast: 1.5 },
  ],
  pinned: false,
  takes: all,
  open: async (server, { settings }) => {
    let round = 0;
    return async () => {
      const repository = `bench/manifests-${round++}`;
      const blobs = await seedBlobs(server, repository);
      const warmUp = Math.ceil(settings.manifests / 8);
      const list = Array.from({ length: warmUp + settings.manifests }, (_, i) => putTag(repository, tagName(i), manifestOf(blobs, `manifest ${i}`), MANIFEST_TYPE));
      return writeFigures(await runLoad(server, { kind: 'requests', connections: 8, list, status: 201, seconds: 0, warmUp }, undefined));
    };
  },
};

/** Rows that write or move many bytes: nothing is bound to a core, for these are limited by the disk or by both sides together. */
export const WRITE_ROWS: readonly SharedRow[] = [
  downloadRow,
  uploadRow('upload', 'upload of 256 MiB: POST, chunked PATCH, PUT', 'patch'),
  uploadRow('upload-put', 'upload of 256 MiB: POST, PUT with the bytes', 'put'),
  pushRow('push', 'push of a small image (config, 3 layers of 4 KiB; 17 requests), alone', 1, [
    { metric: 'cpu', against: 'zot', atMost: 0.65 },
    { metric: 'p50', against: 'zot', atMost: 0.7 },
  ]),
  pushRow('push-8', 'push of a small image, 8 at once', 8, [{ metric: 'cpu', against: 'zot', atMost: 0.65 }]),
  manifestRow,
];
