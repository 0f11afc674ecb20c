import { getRequest } from './connection.js';
import { runLoad } from './generator.js';
import { oursOnly, type Figures, type Lab, type OwnRow } from './row.js';
import { REPOSITORY } from './seeds.js';
import type { Contender, RunningServer } from './server.js';
import { FIRST_LOAD_SECONDS } from './settings.js';

/** CPU µs of the gateway a manifest GET, at most (issue 4, 2.2). */
const HOP_CEILING = 80;
const CONNECTIONS = [16, 64] as const;

/** CPU µs that the gateway, and the registry when it is asked without one, take for each of these requests. */
async function cost(server: RunningServer, lab: Lab, connections: number, list: readonly Buffer[]): Promise<number> {
  const { seconds, warmUp } = lab.settings;
  const { operations, serverCpuSeconds } = await runLoad(server, { kind: 'requests', connections, list, status: 200, seconds, warmUp }, lab.cores?.generator);
  return (serverCpuSeconds / operations) * 1e6;
}

async function manifestCosts(gateway: RunningServer, registry: RunningServer, lab: Lab): Promise<Record<string, number>> {
  const images = await lab.seeds.images(registry);
  const tags = images.map(({ repository, tag }) => getRequest(`/v2/${repository}/manifests/${tag}`));
  const digests = images.map(({ repository, manifest }) => getRequest(`/v2/${repository}/manifests/${manifest}`));
  // of every figure alike: each kind of request through both, and with it what is behind them
  for (const list of [tags, digests]) {
    for (const server of [registry, gateway]) await runLoad(server, { kind: 'requests', connections: 16, list, status: 200, seconds: FIRST_LOAD_SECONDS / 2, warmUp: FIRST_LOAD_SECONDS / 2 }, lab.cores?.generator);
  }
  const figures: Record<string, number> = {};
  for (const connections of CONNECTIONS) {
    figures[`direct@${connections}`] = await cost(registry, lab, connections, tags);
    figures[`tag@${connections}`] = await cost(gateway, lab, connections, tags);
    figures[`digest@${connections}`] = await cost(gateway, lab, connections, digests);
  }
  return figures;
}

/** CPU seconds of the gateway for a GB of a blob, each way. */
async function byteCosts(gateway: RunningServer, lab: Lab): Promise<Record<string, number>> {
  const bytes = lab.settings.largeBytes;
  const up = await runLoad(gateway, { kind: 'upload', connections: 1, repository: REPOSITORY, bytes, times: 2, method: 'patch' }, undefined);
  const digest = up.digests[0] ?? '';
  const down = await runLoad(gateway, { kind: 'download', connections: 1, path: `/v2/${REPOSITORY}/blobs/${digest}`, digest, bytes, times: 4 }, undefined);
  return { down: down.serverCpuSeconds / (down.bytes / 1e9), up: up.serverCpuSeconds / (up.bytes / 1e9) };
}

async function sample(contender: Contender, lab: Lab): Promise<Figures> {
  const registry = await lab.start(contender, lab.newFolder(), lab.cores?.server);
  const front = contender.gateway?.(`127.0.0.1:${registry.port}`);
  if (front === undefined) throw new Error(`${contender.name} has no gateway`);
  const gateway = await lab.start(front, lab.newFolder(), lab.cores?.server);
  const figures = { ...(await manifestCosts(gateway, registry, lab)), ...(await byteCosts(gateway, lab)) };
  await gateway.stop();
  await registry.stop();
  return figures;
}

const manifestMetric = (key: string, label: string) => CONNECTIONS.map((connections) => ({ key: `${key}@${connections}`, label: `${label}, ${connections} connections: CPU µs`, digits: 0, better: 'lower' as const, showBest: true }));

/** What the gateway adds: its own CPU only, whatever is behind it. */
export const GATEWAY_ROW: OwnRow = {
  name: 'hop',
  title: `the gateway's own CPU for what goes through it, after ${FIRST_LOAD_SECONDS} s of each kind of GET`,
  metrics: [
    ...manifestMetric('tag', 'GET manifest by tag'),
    ...manifestMetric('digest', 'GET manifest by digest'),
    ...manifestMetric('direct', '(beside: the registry itself, without a gateway, GET manifest by tag)'),
    { key: 'down', label: 'GET of a large blob CPU s/GB', digits: 2, better: 'lower', showBest: true },
    { key: 'up', label: 'upload of a large blob CPU s/GB', digits: 2, better: 'lower', showBest: true },
  ],
  targets: CONNECTIONS.flatMap((connections) => ['tag', 'digest'].map((key) => ({ metric: `${key}@${connections}`, against: 'itself' as const, atMost: HOP_CEILING }))),
  rounds: ({ rounds }) => rounds,
  takes: oursOnly,
  sample,
};
