import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { grantServices } from '@waybill/platform';
import { RegistryProcess, RunningChild, serviceUrl, TEST_PASSWORDS } from '@waybill/testing';
import { accessFixture, ORDER } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(120_000);

const ROUNDS = 12;
let at: AccessFixture;
let sealer: RegistryProcess;
let watcher: RunningChild;
const people: string[] = [];

beforeAll(async () => {
  at = await accessFixture();
  await grantServices(at.url, TEST_PASSWORDS);
  sealer = await RegistryProcess.start({ app: 'relay', databaseUrl: serviceUrl(at.url, 'relay') });
  for (let n = 0; n < ROUNDS; n++) people.push((await at.users.create(ORDER, { login: `user${n}` })).id);
  // with the rights of a service, and no others
  watcher = new RunningChild({ command: process.execPath, arguments: [join(import.meta.dirname, 'testing', 'revocation-watcher.js'), serviceUrl(at.url, 'manifests'), ...people] });
  await said('watching');
});
afterAll(async () => {
  await watcher.stop();
  await sealer.stop();
  await at.close();
});

async function said(words: string): Promise<string> {
  for (const end = performance.now() + 20_000; performance.now() < end; await delay(5)) {
    const line = watcher.output.split('\n').find((each) => each.startsWith(words));
    if (line !== undefined) return line;
  }
  throw new Error(`The other process did not say "${words}". ${watcher.output}`);
}

/** Milliseconds from the commit until the other process refuses. */
async function reach(principal = ''): Promise<number> {
  await at.users.setState(ORDER, principal, 'disabled');
  const committed = Date.now();
  return Number((await said(`revoked ${principal}`)).split(' ').at(-1)) - committed;
}

it('a revocation reaches another process within 5 s, with the sealer in a third one, and also while that one is dead', async () => {
  const times: number[] = [];
  for (const id of people.slice(0, ROUNDS - 2)) {
    times.push(await reach(id));
    await delay(Math.random() * 500);
  }
  process.stdout.write(`revocation to another process: ${times.map((time) => `${time} ms`).join(', ')}\n`);
  expect(Math.max(...times)).toBeLessThan(5000);
  const [row] = await at.database.sql<{ sealed: number }>('SELECT count(*)::int AS sealed FROM access.narrowing n JOIN es.log l USING (gpos)');
  expect(row?.sealed).toBeGreaterThan(0);
  await sealer.kill();
  for (const id of people.slice(ROUNDS - 2)) expect(await reach(id)).toBeLessThan(5000);
});
