import { requireBinaries, requireKafka } from '@waybill/testing';
import { runServicesChaos } from './chaos/services/run.js';

const [kafka, binaries] = [requireKafka(), requireBinaries('minio', 'nginx', 'crane')];
const itWithServers = kafka === undefined || binaries === undefined ? it.skip : it;

// the short form of `npm run chaos:services`
itWithServers('services that are killed, stopped and cut off at random lose nothing that was acknowledged, and come back by themselves', async () => {
  if (kafka === undefined || binaries === undefined) return;
  const { violations, history, logs, acknowledged, crane, events } = await runServicesChaos({ ...binaries, kafka }, { faults: 20, writers: 4, seed: 1, patience: 3_000, settle: 2, say: () => undefined });
  if (violations.length > 0) process.stderr.write(`${history.join('\n')}\n${logs}\n`);
  expect(violations).toEqual([]);
  expect(history.length).toBe(20);
  expect(acknowledged).toBeGreaterThan(100);
  expect(crane.pushed).toBeGreaterThan(0);
  expect(events).toBeGreaterThan(acknowledged / 2);
}, 600_000);
