import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { getRequest } from './connection.js';
import { runLoad } from './generator.js';
import { oursOnly, type Figures, type Lab, type OwnRow } from './row.js';
import type { Contender, RunningServer } from './server.js';
import { FIRST_LOAD_SECONDS } from './settings.js';
import { median } from './statistics.js';

/** Runs that take turns with each other in one sample. */
const TURNS = 8;

/** A collector that takes everything and looks at nothing: its work is not ours to measure. */
async function startSink(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((request, response) => void request.resume().on('end', () => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the sink has no TCP address');
  return { server, url: `http://127.0.0.1:${address.port}` };
}

/** The same registry, with settings of its own. */
function configured(contender: Contender, environment: Readonly<Record<string, string>>): Contender {
  return {
    ...contender,
    command: (dataDir, port, metricsPort) => {
      const command = contender.command(dataDir, port, metricsPort);
      return { ...command, env: { ...command.env, ...environment } };
    },
  };
}

async function cost(server: RunningServer, lab: Lab, list: readonly Buffer[], { seconds, warmUp }: { readonly seconds: number; readonly warmUp: number } = lab.settings): Promise<number> {
  const { operations, serverCpuSeconds } = await runLoad(server, { kind: 'requests', connections: 16, list, status: 200, seconds, warmUp }, lab.cores?.generator);
  return (serverCpuSeconds / operations) * 1e6;
}

async function compare(contender: Contender, lab: Lab, sink: string): Promise<Figures> {
  const on = { WAYBILL_TELEMETRY_ENDPOINT: sink };
  const kinds = { off: {}, tenth: { ...on, WAYBILL_TELEMETRY_RATIO: '0.1' }, all: { ...on, WAYBILL_TELEMETRY_RATIO: '1' } };
  const servers = await Promise.all(Object.entries(kinds).map(async ([kind, settings]) => {
    const server = await lab.start(configured(contender, settings), lab.newFolder(), lab.cores?.server);
    const images = await lab.seeds.images(server);
    return { kind, server, list: images.map(({ repository, tag }) => getRequest(`/v2/${repository}/manifests/${tag}`)), costs: [] as number[] };
  }));
  for (const { server, list } of servers) await cost(server, lab, list, { seconds: FIRST_LOAD_SECONDS, warmUp: 0.1 });
  // there and back again, so that what changes slowly meets all of them
  for (let turn = 0; turn < TURNS; turn += 1) for (const { server, list, costs } of turn % 2 === 0 ? servers : servers.toReversed()) costs.push(await cost(server, lab, list));
  const figures = Object.fromEntries(servers.map(({ kind, costs }) => [kind, median(costs)]));
  for (const { server } of servers) await server.stop();
  const more = (kind: string): number => ((figures[kind] ?? Number.NaN) / (figures['off'] ?? Number.NaN) - 1) * 100;
  return { ...figures, tenthMore: more('tenth'), allMore: more('all') };
}

/** What traces cost a manifest GET. The sampling decision is most of what an unsampled request pays. */
export const TELEMETRY_ROW: OwnRow = {
  name: 'telemetry',
  title: `GET manifest by tag, 16 connections: CPU with traces, after ${FIRST_LOAD_SECONDS} s of it`,
  metrics: [
    { key: 'off', label: 'off: CPU µs/request', digits: 1, better: 'lower' },
    { key: 'tenth', label: '10 % sampled: CPU µs/request', digits: 1, better: 'lower' },
    { key: 'all', label: 'all sampled: CPU µs/request', digits: 1, better: 'lower' },
    { key: 'tenthMore', label: '10 % sampled: % more', digits: 1, better: 'lower' },
    { key: 'allMore', label: 'all sampled: % more', digits: 1, better: 'lower' },
  ],
  targets: [{ metric: 'tenthMore', against: 'itself', atMost: 15 }],
  // each with processes of its own: two of the same build differ by some per cent
  rounds: ({ rounds }) => Math.min(rounds, 3),
  takes: oursOnly,
  sample: async (contender, lab) => {
    const sink = await startSink();
    try {
      return await compare(contender, lab, sink.url);
    } finally {
      sink.server.closeAllConnections();
      sink.server.close();
    }
  },
};
