import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf, openUpload, RegistryClient, startSplitRegistry, type SplitRegistry } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

const MIB = 1024 * 1024;
const LAYER = 200 * MIB;
/** What a gateway may grow by while bytes stand still on both sides; all of one layer is four times as much. */
const GROWTH = 48 * MIB;

let database: TestDatabase;
let registry: SplitRegistry;
let client: RegistryClient;

beforeAll(async () => {
  database = await testDatabase({ migrated: false });
  registry = await startSplitRegistry({ databaseUrl: database.url });
  client = new RegistryClient(registry.baseUrl);
});
afterAll(async () => {
  client.close();
  await registry.stop();
  await database.close();
});

/** Bytes that the gateway has in memory. */
function resident(): number {
  const pages = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${registry.gateway.pid}/status`, 'utf8'))?.[1];
  if (pages === undefined) throw new Error('the system does not say how much memory the gateway has');
  return Number(pages) * 1024;
}

/** The most that the gateway had while `milliseconds` went by. */
async function mostResident(milliseconds: number): Promise<number> {
  let most = 0;
  for (const end = Date.now() + milliseconds; Date.now() < end; await delay(50)) most = Math.max(most, resident());
  return most;
}

const layer = Buffer.alloc(LAYER, 'layer');

/** Sends the layer to an upload's URL, and says how much of it was taken so far. */
function sendLayer(location: string): { readonly taken: () => number; readonly answer: Promise<IncomingMessage> } {
  let taken = 0;
  const outgoing = request(new URL(location, registry.baseUrl), { method: 'PATCH', headers: { 'Content-Length': LAYER, 'Content-Type': 'application/octet-stream' } });
  const answer = once(outgoing, 'response').then(([response]: IncomingMessage[]) => {
    if (response === undefined) throw new Error('no response came');
    return response.resume();
  });
  const parts = function* (): Generator<Buffer> {
    for (; taken < LAYER; taken += MIB) yield layer.subarray(taken, taken + MIB);
  };
  Readable.from(parts()).pipe(outgoing);
  return { taken: () => taken, answer };
}

it('holds a small part of an upload while no replica reads it, and finishes it when they do', async () => {
  const location = await openUpload(client, 'memory/up');
  const before = resident();
  const { taken, answer } = sendLayer(location);
  while (taken() < MIB) await delay(5);
  for (const { pid } of registry.blobs) process.kill(pid, 'SIGSTOP');
  const most = await mostResident(1_500);
  const standing = taken();
  for (const { pid } of registry.blobs) process.kill(pid, 'SIGCONT');
  expect(standing).toBeLessThan(LAYER);
  expect(most - before).toBeLessThan(GROWTH);
  const { statusCode, headers } = await answer;
  expect([statusCode, headers['range']]).toEqual([202, `0-${LAYER - 1}`]);
  expect((await client.completeUpload(headers['location'] ?? '', digestOf(layer))).status).toBe(201);
}, 60_000);

it('holds a small part of each answer while its client reads nothing, and gives all of it to one that reads on', async () => {
  await registry.gateway.ready();
  const before = resident();
  const answers = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const incoming = request(`${registry.baseUrl}/v2/memory/up/blobs/${digestOf(layer)}`, { agent: false }).end();
      const [response]: IncomingMessage[] = await once(incoming, 'response');
      if (response === undefined) throw new Error('no response came');
      return response;
    }),
  );
  expect((await mostResident(1_500)) - before).toBeLessThan(GROWTH);
  const [first, ...others] = answers;
  for (const response of others) response.destroy();
  const parts: Buffer[] = [];
  for await (const part of first ?? []) parts.push(part);
  expect(Buffer.concat(parts).equals(layer)).toBe(true);
}, 60_000);
