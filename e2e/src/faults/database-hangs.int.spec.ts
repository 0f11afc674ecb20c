import { setTimeout as delay } from 'node:timers/promises';
import { RegistryClient, startSplitRegistry } from '@waybill/testing';
import { postgresBench } from './postgres-bench.js';

/** Longer than the gateway needs to ask each replica several times. */
const SILENT_MS = 9_000;

it('while Postgres hangs, what a client reads behind a gateway are the words of the service, which is there (ADR 0014)', async () => {
  const postgres = await postgresBench();
  const registry = await startSplitRegistry({ databaseUrl: postgres.url });
  const client = new RegistryClient(registry.baseUrl);
  expect((await client.getManifest('hangs/a', 'latest')).status).toBe(404);
  const goOn = postgres.freeze();
  const asked: Promise<readonly [number, string]>[] = [];
  try {
    for (const end = Date.now() + SILENT_MS; Date.now() < end; await delay(300)) {
      asked.push(client.getManifest('hangs/a', 'latest').then(({ status, body }) => [status, body.toString()] as const));
      asked.push(client.getBlob('hangs/a', `sha256:${'0'.repeat(64)}`).then(({ status, body }) => [status, body.toString()] as const));
    }
    const answers = await Promise.all(asked);
    expect(answers.length).toBeGreaterThan(20);
    expect(answers.filter(([status]) => status !== 503)).toEqual([]);
    expect(answers.map(([, body]) => body).filter((body) => !body.includes('database'))).toEqual([]);
  } finally {
    goOn();
    client.close();
    await registry.stop();
    await postgres.close();
  }
}, 120_000);
