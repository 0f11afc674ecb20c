import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { requireBinaries, requireKafka } from '@waybill/testing';
import { median } from './bench/statistics.js';
import { runServicesChaos, type ServicesReport } from './chaos/services/run.js';

const USAGE = `npm run chaos:services -- [--faults N] [--writers N] [--seed N] [--logs FILE]
Kills, stops, cuts off and restarts the services, Postgres, Kafka, MinIO and the load balancer while clients push and pull; then holds what was
acknowledged, the log, the topic and the bucket against each other. Needs java and Kafka, minio, nginx and crane.
  --faults   how many; 300
  --writers  clients at once; 6
  --seed     makes the same choices again; timing still differs
  --logs     where the faults and what every process said are written to`;

function report(result: ServicesReport, seed: number): void {
  const { counts, recoveries, crane, memory, violations, history } = result;
  const counted = Object.entries(counts).map(([what, count]) => `${what} ${String(count)}`);
  console.log(`${history.length} faults, seed ${seed}: ${result.acknowledged} acknowledged blobs and manifests read back; ${counted.join(', ')}`);
  console.log(`${result.pulled} pulled between the faults, ${result.doubtful} tags in doubt; crane pushed ${crane.pushed} images, pulled ${crane.pulled}, and failed ${crane.failed} times`);
  console.log(`each writer served again after ${Math.round(median(recoveries))} ms (median), ${Math.round(Math.max(...recoveries))} ms at most; the slowest answer took ${Math.round(result.slowest)} ms`);
  console.log(`${result.events} events in the log and in the topic, ${result.repeated} of them more than once; ${result.objects} objects in the bucket, ${result.forgotten} of them of uploads that a crash of Postgres made it forget`);
  console.log(`memory at most: ${memory.map(({ name, megabytes }) => `${name} ${Math.round(megabytes)} MB`).join(', ')}`);
  if (violations.length === 0) return console.log('Everything acknowledged is there; log, tables, topic and bucket are equal.');
  for (const violation of violations.slice(0, 50)) console.error(`VIOLATION ${violation}`);
  console.log(`${violations.length} violations with seed ${seed}, after these faults:\n${history.join('\n')}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      faults: { type: 'string', default: '300' },
      writers: { type: 'string', default: '6' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      logs: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [faults, writers, seed] = [Number(values.faults), Number(values.writers), Number(values.seed)];
  if (!(Number.isInteger(faults) && faults >= 1 && writers >= 1 && Number.isInteger(seed))) throw new Error(`--faults and --writers: expected a whole number from 1 up, --seed a whole number\n${USAGE}`);
  const [kafka, binaries] = [requireKafka(), requireBinaries('minio', 'nginx', 'crane')];
  if (kafka === undefined || binaries === undefined) throw new Error('Kafka, minio, nginx and crane are needed for this.');
  // before half an hour of faults, not after it
  if (values.logs !== undefined) await writeFile(values.logs, '');
  const result = await runServicesChaos({ ...binaries, kafka }, { faults, writers, seed, patience: 12_000, settle: 50, say: (line) => console.error(line) });
  report(result, seed);
  if (values.logs !== undefined) await writeFile(values.logs, `${result.history.join('\n')}\n${result.logs}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
