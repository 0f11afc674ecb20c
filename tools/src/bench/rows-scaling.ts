import { getRequest } from './connection.js';
import { runLoad } from './generator.js';
import { INDEX_TYPE, MANIFEST_TYPE, emptyIndex, manifestOf, type Content } from './image.js';
import { median } from './statistics.js';
import { oursOnly, type Lab, type OwnRow } from './row.js';
import { LONG } from './settings.js';
import { putAll, putTag, seedBlobs, tagName } from './seeds.js';
import type { RunningServer } from './server.js';

const TAGS = 'scale/tags';

const OPERATIONS = [
  { key: 'tag', label: 'GET manifest by tag' },
  { key: 'list', label: 'tags/list, a page of 100' },
  { key: 'catalog', label: '_catalog, a page of 100' },
  { key: 'manifest', label: 'PUT manifest' },
] as const;

/** `count` numbers spread evenly over 0..size-1. */
function spreadOver(size: number, count: number): number[] {
  const taken = Math.min(size, count);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * size) / taken));
}

/** Grows the server to `size` tags in one repository and `size` repositories, all through the API. */
async function grow(server: RunningServer, from: number, size: number, manifest: Content): Promise<void> {
  const index = emptyIndex('scale');
  const numbers = Array.from({ length: size - from }, (_, i) => from + i);
  await putAll(server, numbers.map((i) => putTag(TAGS, tagName(i), manifest, MANIFEST_TYPE)));
  await putAll(server, numbers.map((i) => putTag(`scale-catalog/${tagName(i)}`, 'latest', index, INDEX_TYPE)));
}

async function readCost(server: RunningServer, lab: Lab, list: readonly Buffer[]): Promise<number> {
  const { operations, serverCpuSeconds } = await runLoad(server, { kind: 'requests', connections: 16, list, status: 200, seconds: lab.settings.seconds, warmUp: lab.settings.warmUp }, lab.cores?.generator);
  return (serverCpuSeconds / operations) * 1e6;
}

/** PUTs of new manifests that move tags that are there, so the number of tags stays what it is. */
async function writeCost(server: RunningServer, lab: Lab, size: number, blobs: readonly Content[], run: number): Promise<number> {
  const count = lab.settings.manifests;
  const list = spreadOver(size, count).map((tag, i) => putTag(TAGS, tagName(tag), manifestOf(blobs, `${size} ${run} ${i}`), MANIFEST_TYPE));
  const { operations, serverCpuSeconds } = await runLoad(server, { kind: 'requests', connections: 8, list, status: 201, seconds: 0, warmUp: Math.floor(list.length / 8) }, lab.cores?.generator);
  return (serverCpuSeconds / operations) * 1e6;
}

async function costsAt(server: RunningServer, lab: Lab, size: number, blobs: readonly Content[]): Promise<Record<string, number>> {
  const costs: Record<string, number[]> = { tag: [], list: [], catalog: [], manifest: [] };
  const spread = spreadOver(size, 1000).map(tagName);
  for (let run = 0; run < 3; run++) {
    costs['tag']?.push(await readCost(server, lab, spread.map((tag) => getRequest(`/v2/${TAGS}/manifests/${tag}`))));
    costs['list']?.push(await readCost(server, lab, spread.map((last) => getRequest(`/v2/${TAGS}/tags/list?n=100&last=${last}`))));
    costs['catalog']?.push(await readCost(server, lab, spread.map((last) => getRequest(`/v2/_catalog?n=100&last=${encodeURIComponent(`scale-catalog/${last}`)}`))));
    costs['manifest']?.push(await writeCost(server, lab, size, blobs, run));
  }
  return Object.fromEntries(Object.entries(costs).map(([key, values]) => [`${key}@${size}`, median(values)]));
}

/** Flatness: what an operation costs as tags and repositories grow. Ours only: the peers' seeding alone would take hours. */
export const SCALING_ROW: OwnRow = {
  name: 'scaling',
  title: 'CPU µs/request as tags of a repository and repositories grow',
  metrics: OPERATIONS.flatMap(({ key, label }) =>
    [...new Set([...LONG.scale, 1000])].sort((a, b) => a - b).map((size) => ({ key: `${key}@${size}`, label: `${label}, ${size} there`, digits: 0, better: 'lower' as const })),
  ),
  targets: [],
  rounds: () => 1,
  takes: oursOnly,
  sample: async (contender, lab) => {
    const server = await lab.start(contender, lab.newFolder(), lab.cores?.server);
    const blobs = await seedBlobs(server, TAGS);
    const manifest = manifestOf(blobs, 'scale');
    let figures: Record<string, number> = {};
    let size = 0;
    for (const next of lab.settings.scale) {
      await grow(server, size, next, manifest);
      size = next;
      figures = { ...figures, ...(await costsAt(server, lab, size, blobs)) };
      lab.say(`  ${contender.name}: measured with ${size} tags and repositories`);
    }
    await server.stop();
    return figures;
  },
};
