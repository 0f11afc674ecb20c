import { parseArgs } from 'node:util';
import { requireKafka } from '@waybill/testing';
import { stopServer } from '@waybill/testing/postgres';
import { median } from './bench/statistics.js';
import { runDrill } from './relay-drill/drill.js';

const USAGE = `npm run relay:drill -- [--kills N] [--outage SECONDS]
Kills the relay that publishes to Kafka again and again while images are pushed, then Kafka itself for a while, and reads the whole topic.
  --kills   how often; 50
  --outage  for how long Kafka is dead; 300`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { kills: { type: 'string', default: '50' }, outage: { type: 'string', default: '300' }, help: { type: 'boolean', default: false } } });
  if (values.help) return console.log(USAGE);
  const [kills, outage] = [Number(values.kills), Number(values.outage)];
  if (!(Number.isInteger(kills) && kills >= 0 && outage > 0)) throw new Error(`--kills and --outage: expected numbers\n${USAGE}`);
  const programs = requireKafka();
  if (programs === undefined) throw new Error('Kafka is needed for this.');
  const { faults, events, repeated, takeovers, before, outage: during, backlog, drainSeconds } = await runDrill(programs, { kills, outage, say: (line) => console.error(line) });
  console.log(`${kills} kills: taken over after ${Math.round(median(takeovers))} ms (median), ${Math.round(Math.max(...takeovers))} ms at most`);
  console.log(`Kafka away for ${outage} s: pushes p50 ${during.p50.toFixed(1)} ms and p99 ${during.p99.toFixed(1)} ms, before ${before.p50.toFixed(1)} and ${before.p99.toFixed(1)} ms; ${backlog} events waited and were there ${drainSeconds.toFixed(1)} s after it was back`);
  console.log(`${events} events in the log; the topic has each, ${repeated} of them more than once`);
  for (const fault of faults.slice(0, 50)) console.error(`FAULT ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  await stopServer();
}
