import { requireKafka } from '@waybill/testing';
import { runDrill } from './relay-drill/drill.js';

const programs = requireKafka();
const itWithKafka = programs === undefined ? it.skip : it;

// the short form of `npm run relay:drill`
itWithKafka('the topic has every event in order though relays are killed and Kafka is away, and pushes do not notice', async () => {
  if (programs === undefined) return;
  const { faults, events, outage, before, takeovers } = await runDrill(programs, { kills: 8, outage: 5, say: () => undefined });
  expect(faults).toEqual([]);
  expect(takeovers.length).toBe(8);
  expect(events).toBeGreaterThan(1_000);
  // half as many pushes a second as before would be noticed; the machine is noisy
  expect(outage.p50).toBeLessThan(before.p50 * 3 + 10);
}, 240_000);
