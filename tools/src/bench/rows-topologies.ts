import { requireBinaries, requireKafka, whyNoCompose } from '@waybill/testing';
import { BALANCED_METRICS, BALANCED_TARGETS, balancedBytes } from './balanced-bytes.js';
import { ComposeServer, type ComposeStorage } from './compose-server.js';
import { getRequest } from './connection.js';
import { runLoad, type JobFor, type Measurement } from './generator.js';
import { MANIFEST_TYPE, manifestOf } from './image.js';
import type { Figures, Lab, Metric, OwnRow } from './row.js';
import { REPOSITORY, putTag, seedBlobs, tagName } from './seeds.js';
import type { MeasuredServer } from './server.js';
import { SplitServer, type SplitServers } from './split-server.js';

/** p50 of a push through services on a shared volume: at most so many times the one process's (issue 4, section 7). */
const PUSH_CEILING = 2.5;
const REPLICAS = [1, 2, 4] as const;

const TOPOLOGIES = [
  { key: 'one', label: 'all in one process' },
  { key: 'split', label: 'services, shared folder' },
  { key: 'nginx', label: 'services, shared folder, nginx' },
  { key: 's3', label: 'services, MinIO' },
  { key: 'kafka', label: 'services, shared folder, relay to Kafka' },
  { key: 'compose', label: 'compose, nginx, shared volume' },
  { key: 'compose-s3', label: 'compose, nginx, MinIO' },
] as const;

const MEASURED = [
  { key: 'push-p50', label: 'push of a small image alone p50 ms', digits: 1, better: 'lower' },
  { key: 'push-cpu', label: 'push of a small image alone CPU ms', digits: 1, better: 'lower' },
  { key: 'get-cpu', label: 'GET manifest by tag at 16 CPU µs', digits: 0, better: 'lower' },
  { key: 'get-rate', label: 'GET manifest by tag at 16 requests/s', digits: 0, better: 'higher' },
  { key: 'blob-cpu', label: 'GET of a large blob CPU s/GB', digits: 2, better: 'lower' },
  { key: 'blob-rate', label: 'GET of a large blob MB/s', digits: 0, better: 'higher' },
] as const;

/** What every topology is asked. CPU is that of all its processes, its servers included. */
async function measure(key: string, server: MeasuredServer, lab: Lab): Promise<Figures> {
  const { imagesAlone, seconds, warmUp, largeBytes } = lab.settings;
  const push = await runLoad(server, { kind: 'push', connections: 1, repository: 'bench/alone', images: imagesAlone, warmUp: Math.ceil(imagesAlone / 2) }, undefined);
  const images = await lab.seeds.images(server);
  const list = images.map(({ repository, tag }) => getRequest(`/v2/${repository}/manifests/${tag}`));
  const get = await runLoad(server, { kind: 'requests', connections: 16, list, status: 200, seconds, warmUp }, undefined);
  const digest = await lab.seeds.layer(server);
  const blob = await runLoad(server, { kind: 'download', connections: 1, path: `/v2/${REPOSITORY}/blobs/${digest}`, digest, bytes: largeBytes, times: 4 }, undefined);
  const figures = {
    'push-p50': push.p50, 'push-cpu': (push.serverCpuSeconds / push.operations) * 1e3,
    'get-cpu': (get.serverCpuSeconds / get.operations) * 1e6, 'get-rate': get.operations / get.seconds,
    'blob-cpu': blob.serverCpuSeconds / (blob.bytes / 1e9), 'blob-rate': blob.bytes / 1e6 / blob.seconds,
  };
  return Object.fromEntries(Object.entries(figures).map(([name, figure]) => [`${key} ${name}`, figure]));
}

/** A load's figures, and the part of the CPU that was the database's, the warm-up included. */
async function withShare(server: SplitServer, job: JobFor): Promise<Measurement & { readonly share: number }> {
  const [all, database] = [server.cpuSeconds(), server.cpuOf('postgres')];
  const measured = await runLoad(server, job, undefined);
  return { ...measured, share: ((server.cpuOf('postgres') - database) / (server.cpuSeconds() - all)) * 100 };
}

/** Reads and writes of manifests at so many replicas: what one more brings, and how much of it all is the one database. */
async function scale(replicas: number, server: SplitServer, lab: Lab): Promise<Figures> {
  const { seconds, warmUp, manifests } = lab.settings;
  const images = await lab.seeds.images(server);
  const gets = images.map(({ repository, tag }) => getRequest(`/v2/${repository}/manifests/${tag}`));
  const get = await withShare(server, { kind: 'requests', connections: 64, list: gets, status: 200, seconds, warmUp });
  const blobs = await seedBlobs(server, 'bench/scale');
  const puts = Array.from({ length: manifests }, (_, i) => putTag('bench/scale', tagName(i), manifestOf(blobs, `scale ${i}`), MANIFEST_TYPE));
  const put = await withShare(server, { kind: 'requests', connections: 16, list: puts, status: 201, seconds: 0, warmUp: Math.floor(manifests / 16) });
  return Object.fromEntries([['get', get] as const, ['put', put] as const].flatMap(([key, { operations, seconds: took, serverCpuSeconds, share }]) => [
    [`${key}-rate@${replicas}`, operations / took], [`${key}-cpu@${replicas}`, (serverCpuSeconds / operations) * 1e6], [`${key}-share@${replicas}`, share],
  ]));
}

/** Starts one, asks it, and stops it whatever happens. */
async function at(name: string, lab: Lab, replicas: number, servers: SplitServers, ask: (server: SplitServer) => Promise<Figures>): Promise<Figures> {
  const server = await SplitServer.start(name, lab.newFolder(), replicas, servers);
  try {
    lab.say(`  topologies: ${name}`);
    return await ask(server);
  } finally {
    await server.stop();
  }
}

const COMPOSED: readonly (readonly [string, ComposeStorage])[] = [['compose', 'volume'], ['compose-s3', 'minio']];

/** docker-compose.yml, as people run it. Without an engine its figures are left out, and the reason is said. */
async function composed(lab: Lab): Promise<Figures> {
  const reason = whyNoCompose();
  if (reason !== undefined) {
    lab.say(`  topologies: without the deployments of docker-compose.yml: ${reason}`);
    return {};
  }
  let figures: Figures = {};
  for (const [key, storage] of COMPOSED) {
    const server = await ComposeServer.start(key, storage);
    try {
      lab.say(`  topologies: ${key}`);
      figures = { ...figures, ...(await measure(key, server, lab)) };
    } finally {
      await server.stop();
    }
  }
  return figures;
}

async function sample(contender: Parameters<OwnRow['sample']>[0], lab: Lab): Promise<Figures> {
  const [binaries, kafka] = [requireBinaries('minio', 'nginx'), requireKafka()];
  if (binaries === undefined || kafka === undefined) throw new Error('The row topologies needs minio, nginx, java and Kafka.');
  const { minio, nginx } = binaries;
  const one = await lab.start(contender, lab.newFolder());
  let figures = await measure('one', one, lab);
  await one.stop();
  const others: readonly (readonly [string, SplitServers])[] = [['split', {}], ['nginx', { nginx }], ['s3', { minio }], ['kafka', { kafka }]];
  for (const [key, servers] of others) figures = { ...figures, ...(await at(key, lab, 2, servers, async (server) => ({ ...(await measure(key, server, lab)), ...(key === 'nginx' ? await balancedBytes(server, lab) : {}) }))) };
  figures = { ...figures, ...(await composed(lab)) };
  for (const replicas of REPLICAS) figures = { ...figures, ...(await at(`${replicas} of each service`, lab, replicas, {}, (server) => scale(replicas, server, lab))) };
  return { ...figures, ratio: (figures['split push-p50'] ?? Number.NaN) / (figures['one push-p50'] ?? Number.NaN) };
}

const scaleMetrics = ([['get', 'GET manifest by tag at 64'], ['put', 'PUT manifest at 16']] as const).flatMap(([key, label]) => REPLICAS.flatMap((replicas): Metric[] => [
  { key: `${key}-rate@${replicas}`, label: `${label}, ${replicas} of each service: requests/s`, digits: 0, better: 'higher' },
  { key: `${key}-cpu@${replicas}`, label: `${label}, ${replicas} of each service: CPU µs`, digits: 0, better: 'lower' },
  { key: `${key}-share@${replicas}`, label: `${label}, ${replicas} of each service: Postgres' part of the CPU %`, digits: 0, better: 'lower' },
]));

/** The same code as one process and as many, two of each service but where it says otherwise: what the split, nginx, MinIO and Kafka cost. */
export const TOPOLOGY_ROW: OwnRow = {
  name: 'topologies',
  title: 'one process, and services with what is around them',
  metrics: [
    { key: 'ratio', label: 'p50 of a push, services on a shared folder / one process', digits: 2, better: 'lower' },
    ...MEASURED.flatMap((metric) => TOPOLOGIES.map((topology) => ({ ...metric, key: `${topology.key} ${metric.key}`, label: `${metric.label}, ${topology.label}`, showBest: true }))),
    ...BALANCED_METRICS,
    ...scaleMetrics,
  ],
  targets: [{ metric: 'ratio', against: 'itself', atMost: PUSH_CEILING }, ...BALANCED_TARGETS],
  rounds: ({ rounds }) => rounds,
  takes: ({ name }) => name === 'ours',
  sample,
};
