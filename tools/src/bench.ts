import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findContenders } from './bench/contenders.js';
import { machineFacts } from './bench/machine.js';
import { measureOwn, measureShared, type RowResult } from './bench/measure.js';
import { generatorCost, medianTable, targetTable } from './bench/report.js';
import type { Lab, Row } from './bench/row.js';
import { GUARD_ROW } from './bench/rows-guard.js';
import { GATEWAY_ROW } from './bench/rows-gateway.js';
import { OWN_ROWS } from './bench/rows-own.js';
import { READ_ROWS } from './bench/rows-read.js';
import { SCALING_ROW } from './bench/rows-scaling.js';
import { TELEMETRY_ROW } from './bench/rows-telemetry.js';
import { TOPOLOGY_ROW } from './bench/rows-topologies.js';
import { WRITE_ROWS } from './bench/rows-write.js';
import { Seeds } from './bench/seeds.js';
import { RunningServer, canPin, type Contender } from './bench/server.js';
import { LONG, SHORT } from './bench/settings.js';

const USAGE = `npm run bench -- [--rows a,b] [--columns a,b] [--short] [--rounds N] [--seconds N] [--ours DIR[,KEY=VALUE...]]... [--data DIR] [--write FILE]
  --rows     only these rows (names in the table's first column)
  --columns  only these registries (ours, Distribution, zot, "zot commit", olareg, or the name of an --ours)
  --short    smaller counts, 2 rounds, a soak of 30 s: to see that all of it runs, not to compare
  --rounds   how often each run is repeated, alternating between registries
  --seconds  measured seconds of each request-rate run
  --ours     another built checkout as one more column, with environment settings of its own
  --data     where the registries keep their data (default: the folder for temporary files)
  --write    also writes the tables to FILE`;

function readOptions() {
  return parseArgs({
    args: process.argv.slice(2),
    options: {
      rows: { type: 'string' },
      columns: { type: 'string' },
      short: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      ours: { type: 'string', multiple: true },
      data: { type: 'string', default: tmpdir() },
      write: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

type Options = ReturnType<typeof readOptions>;

/** The items of a comma list that exist, all where no list is given. Throws on a name that is none. */
function chosen<T extends { readonly name: string }>(items: readonly T[], list: string | undefined, what: string): T[] {
  if (list === undefined) return [...items];
  const names = list.split(',');
  const unknown = names.filter((name) => !items.some((item) => item.name === name));
  if (unknown.length > 0) throw new Error(`no ${what} is called ${unknown.join(', ')}; there are ${items.map(({ name }) => name).join(', ')}`);
  return items.filter(({ name }) => names.includes(name));
}

/** A number from 1 up that an option gave, or the default. */
function atLeastOne(text: string | undefined, fallback: number, option: string): number {
  const value = text === undefined ? fallback : Number(text);
  if (!(value >= 1)) throw new Error(`${option} ${text ?? ''}: expected a number from 1 up`);
  return value;
}

const running = new Set<RunningServer>();

async function stopAll(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()));
}

function touchPages(path: string, bytes: number): void {
  const block = Buffer.alloc(1024 * 1024, 1);
  const file = openSync(path, 'w');
  for (let written = 0; written < bytes; written += block.length) writeSync(file, block);
  closeSync(file);
  rmSync(path);
}

function makeLab(options: Options, base: string): Lab {
  const form = options.short ? SHORT : LONG;
  const settings = { ...form, rounds: atLeastOne(options.rounds, form.rounds, '--rounds'), seconds: atLeastOne(options.seconds, form.seconds, '--seconds') };
  let folders = 0;
  return {
    settings,
    seeds: new Seeds(settings),
    cores: availableParallelism() > 1 && canPin() ? { server: 0, generator: 1 } : undefined,
    newFolder: () => {
      const folder = join(base, String(folders++));
      mkdirSync(join(folder, 'data'), { recursive: true });
      return folder;
    },
    start: async (contender, folder, core) => {
      const server = await RunningServer.start(contender, folder, core);
      running.add(server);
      return server;
    },
    touchPages: (bytes) => touchPages(join(base, 'pages'), bytes),
    say: (text) => console.error(text),
  };
}

async function measureAll(rows: readonly Row[], contenders: readonly Contender[], lab: Lab): Promise<RowResult[]> {
  const shared = rows.filter((row) => 'open' in row);
  const results: RowResult[] = [];
  for (const pinned of [true, false]) results.push(...(await measureShared(shared.filter((row) => row.pinned === pinned), contenders, pinned, lab)));
  for (const row of rows) if ('sample' in row) results.push(await measureOwn(row, contenders, lab));
  return results;
}

function markdown(results: readonly RowResult[], contenders: readonly Contender[], lab: Lab, form: string): string {
  const { rounds, seconds, tags, repositories, largeBytes, hugeBytes, soakSeconds } = lab.settings;
  const command = ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' ');
  return [
    '# Benchmarks',
    `Made ${new Date().toISOString().slice(0, 10)} by \`${command}\` on ${machineFacts()}.`,
    contenders.map(({ name, about }) => `- **${name}**: ${about}`).join('\n'),
    `All on one machine through loopback, no TLS, no authentication, logs off, page cache warm. ${form} form: medians of ${rounds} rounds, the registries taking turns within each; ± is half the range of the rounds. ` +
      `Request-rate runs measure ${seconds} s after a warm-up. ${tags} tags, ${repositories} repositories; large blobs of ${largeBytes / 1048576} MiB, the huge one of ${(hugeBytes / 1e9).toFixed(1)} GB; soak of ${soakSeconds} s. ` +
      'Before each upload that is measured, a file is written and deleted, so that the page cache gets pages that the host has backed already (the first touch of a page costs a virtual machine more than the upload). ' +
      'CPU counts all processes of a registry, with its Postgres; PSS likewise. Percentiles are the client\'s.',
    lab.cores === undefined
      ? 'Nothing was bound to a core.'
      : `† the registry (all its processes) bound to core ${lab.cores.server} and the load generator to core ${lab.cores.generator}; the other rows are not bound. \\* the generator used over 90 % of its core, so the rate is its limit and not the registry's.`,
    generatorCost(results),
    '"best" is the better of Distribution and zot (with and without fsync) in each figure.',
    medianTable(results, contenders),
    targetTable(results, contenders) && `## Targets\n\n${targetTable(results, contenders)}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

async function bench(): Promise<void> {
  const options = readOptions();
  if (options.help) return console.log(USAGE);
  const rows = chosen([...READ_ROWS, ...WRITE_ROWS, SCALING_ROW, TELEMETRY_ROW, GUARD_ROW, GATEWAY_ROW, TOPOLOGY_ROW, ...OWN_ROWS], options.rows, 'row');
  const contenders = chosen(findContenders(options.ours ?? [], (text) => console.error(text)), options.columns, 'registry');
  const base = mkdtempSync(join(resolve(options.data), 'waybill-bench-'));
  const end = (): void => void stopAll().finally(() => process.exit(130));
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    const lab = makeLab(options, base);
    const text = markdown(await measureAll(rows, contenders, lab), contenders, lab, options.short ? 'Short' : 'Long');
    console.log(text);
    if (options.write !== undefined) writeFileSync(options.write, `${text}\n`);
  } finally {
    await stopAll();
    rmSync(base, { recursive: true, force: true });
  }
}

bench().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
