import { parseArgs } from 'node:util';
import { runKills, type KillReport } from './chaos/kills.js';
import { verifyLog } from './chaos/log-check.js';
import { median } from './bench/statistics.js';

const USAGE = `npm run chaos -- [--kills N] [--short] [--writers N] [--seed N]
Kills the registry (and its Postgres in every 5th round) while clients push, restarts it, and reads back all that was acknowledged.
  --kills    how often; 100, or 5 with --short
  --writers  clients at once; 6
  --seed     makes the same choices again; timing still differs`;

function report({ violations, counts, acknowledged, recoveries }: KillReport, seed: number): void {
  const counted = Object.entries(counts).map(([what, count]) => `${what} ${String(count)}`);
  console.log(`${recoveries.length} kills, seed ${seed}: ${acknowledged} acknowledged pushes read back; ${counted.join(', ')}`);
  console.log(`back after ${Math.round(median(recoveries))} ms (median), ${Math.round(Math.max(...recoveries))} ms at most`);
  for (const violation of violations.slice(0, 50)) console.error(`VIOLATION ${violation}`);
  console.log(violations.length === 0 ? 'Everything acknowledged is there, and the log is equal to the tables.' : `${violations.length} violations`);
}

async function chaos(): Promise<void> {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: {
      kills: { type: 'string' },
      short: { type: 'boolean', default: false },
      writers: { type: 'string', default: '6' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [kills, writers, seed] = [Number(values.kills ?? (values.short ? 5 : 100)), Number(values.writers), Number(values.seed)];
  if (!(kills >= 1 && writers >= 1 && Number.isInteger(seed))) throw new Error(`--kills and --writers: expected a number from 1 up, --seed a whole number\n${USAGE}`);
  const result = await runKills({ kills, postgresEvery: 5, writers, seed, patience: values.short ? 1000 : 12_000, checkLog: verifyLog, say: (line) => console.error(line) });
  report(result, seed);
  if (result.violations.length > 0) process.exitCode = 1;
}

chaos().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
