import { getRequest } from './connection.js';
import { runLoad, type Measurement } from './generator.js';
import { readers, type Figures, type Lab, type Metric, type SharedRow, type Target } from './row.js';
import { TAGS_REPOSITORY, tagName, type SmallSeed } from './seeds.js';
import type { RunningServer } from './server.js';

const RATE_METRICS: readonly Metric[] = [
  { key: 'cpu', label: 'CPU µs/request', digits: 0, better: 'lower' },
  { key: 'rate', label: 'requests/s', digits: 0, better: 'higher' },
  { key: 'p50', label: 'p50 ms', digits: 2, better: 'lower' },
  { key: 'p99', label: 'p99 ms', digits: 2, better: 'lower' },
];

const GET_TARGETS: readonly Target[] = [
  { metric: 'cpu', against: 'best', atMost: 1 / 1.3 },
  { metric: 'p99', against: 'best', atMost: 1 },
  { metric: 'cpu', against: 'olareg', atMost: 2 },
];

const LIST_TARGETS: readonly Target[] = [{ metric: 'cpu', against: 'best', atMost: 0.1 }];

export function rateFigures({ operations, seconds, p50, p99, serverCpuSeconds, clientCpuSeconds }: Measurement): Figures {
  return {
    cpu: (serverCpuSeconds / operations) * 1e6,
    rate: operations / seconds,
    p50,
    p99,
    busy: clientCpuSeconds / seconds,
    generator: (clientCpuSeconds / operations) * 1e6,
  };
}

/** A run of `seconds` over a list of requests, round and round. */
async function rate(server: RunningServer, lab: Lab, connections: number, list: readonly Buffer[]): Promise<Figures> {
  const { seconds, warmUp } = lab.settings;
  return rateFigures(await runLoad(server, { kind: 'requests', connections, list, status: 200, seconds, warmUp }, lab.cores?.generator));
}

function rateRow(name: string, title: string, connections: number, targets: readonly Target[], requests: (server: RunningServer, lab: Lab) => Promise<Buffer[]>): SharedRow {
  return {
    name: connections === 16 ? name : `${name}-${connections}`,
    title: `${title}, ${connections} connections`,
    metrics: RATE_METRICS,
    targets,
    pinned: true,
    takes: readers,
    open: async (server, lab) => {
      const list = await requests(server, lab);
      return () => rate(server, lab, connections, list);
    },
  };
}

function imageRows(name: string, title: string, requests: (seed: SmallSeed) => Buffer[]): SharedRow[] {
  return [16, 64].map((connections) => rateRow(name, title, connections, GET_TARGETS, async (server, lab) => requests(await lab.seeds.images(server))));
}

/** The first page, and pages that begin inside: `last` names what the page before ended with. */
function pages(path: string, last: readonly string[]): Buffer[] {
  return [getRequest(`${path}?n=100`), ...last.map((name) => getRequest(`${path}?n=100&last=${encodeURIComponent(name)}`))];
}

/** Where pages begin: at a quarter, the half and three quarters of `count`. */
function quarters(count: number): number[] {
  return [1, 2, 3].map((quarter) => Math.floor((count * quarter) / 4) - 1);
}

const deleteRow: SharedRow = {
  name: 'delete',
  title: 'DELETE manifest by digest, alone, as many tags there as in tags/list',
  metrics: [
    { key: 'cpu', label: 'CPU ms/request', digits: 2, better: 'lower' },
    { key: 'p50', label: 'p50 ms', digits: 2, better: 'lower' },
  ],
  targets: LIST_TARGETS,
  pinned: true,
  takes: readers,
  open: async (server, lab) => {
    const digests = await lab.seeds.taggedManifests(server);
    return async () => {
      const warmUp = 3;
      const list = digests.splice(0, warmUp + lab.settings.deletes).map((digest) => getRequest(`/v2/${TAGS_REPOSITORY}/manifests/${digest}`, 'DELETE'));
      const figures = rateFigures(await runLoad(server, { kind: 'requests', connections: 1, list, status: 202, seconds: 0, warmUp }, lab.cores?.generator));
      return { ...figures, cpu: (figures['cpu'] ?? 0) / 1000 };
    };
  },
};

/** Rows whose answer is small: servers on one core, the generator on another. The deletes come last: they thin out what is listed. */
export const READ_ROWS: readonly SharedRow[] = [
  ...imageRows('tag', 'GET manifest by tag', (images) => images.map(({ repository, tag }) => getRequest(`/v2/${repository}/manifests/${tag}`))),
  ...imageRows('digest', 'GET manifest by digest', (images) => images.map(({ repository, manifest }) => getRequest(`/v2/${repository}/manifests/${manifest}`))),
  ...imageRows('head', 'HEAD blob', (images) => images.map(({ repository, blob }) => getRequest(`/v2/${repository}/blobs/${blob}`, 'HEAD'))),
  ...imageRows('blob', 'GET blob of 10 KiB', (images) => images.map(({ repository, blob }) => getRequest(`/v2/${repository}/blobs/${blob}`))),
  rateRow('ping', 'GET /v2/, which asks for nothing', 16, [], async () => [getRequest('/v2/')]),
  rateRow('tags', 'tags/list, a page of 100', 16, LIST_TARGETS, async (server, lab) => {
    await lab.seeds.taggedManifests(server);
    return pages(`/v2/${TAGS_REPOSITORY}/tags/list`, quarters(lab.settings.tags).map(tagName));
  }),
  rateRow('catalog', '_catalog, a page of 100', 16, LIST_TARGETS, async (server, lab) => {
    await lab.seeds.repositories(server);
    return pages('/v2/_catalog', quarters(lab.settings.repositories).map((i) => `bench-catalog/${tagName(i)}`));
  }),
  deleteRow,
];
