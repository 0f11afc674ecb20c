import { setTimeout as sleep } from 'node:timers/promises';
import { openKafka } from '@waybill/event-log/kafka';
import { Sealer } from '@waybill/event-log/postgres';
import { topicFaults, wholeTopic } from '@waybill/event-log/testing/topic';
import type { Database } from '@waybill/platform';
import { KafkaServer, RegistryProcess, serviceUrl, setUpDatabase, type KafkaPrograms } from '@waybill/testing';
import { testDatabase } from '@waybill/testing/postgres';
import { PushLoad, type Latencies } from './push-load.js';
import { Relays } from './relays.js';

export interface DrillOptions {
  /** How often the relay that publishes is killed (SIGKILL), each time while it does. */
  readonly kills: number;
  /** Seconds for which Kafka is dead. */
  readonly outage: number;
  readonly say: (line: string) => void;
}

export interface DrillReport {
  /** What the topics or the pushes show that must not be. Empty: all held. */
  readonly faults: readonly string[];
  readonly events: number;
  /** Messages that a reader drops because it has seen their sequence. */
  readonly repeated: number;
  readonly takeovers: readonly number[];
  readonly before: Latencies;
  readonly outage: Latencies;
  /** Of the lag at the end of the outage: events, and the seconds that it took to drain. */
  readonly backlog: number;
  readonly drainSeconds: number;
}

const DRAIN_MS = 120_000;
const EVENTS = 'waybill.events.v1';

/**
 * The relay under the faults of event-log.md section 7, with everything real: two relays of which the leading one is killed again and again
 * while images are pushed, then Kafka killed for a while; in the end every event must be in the topic, each repository's in order.
 */
export async function runDrill(programs: KafkaPrograms, options: DrillOptions): Promise<DrillReport> {
  const own = await testDatabase();
  const kafka = await KafkaServer.start(programs);
  const ends: (() => Promise<unknown>)[] = [() => own.close(), () => kafka.stop()];
  try {
    const registry = await RegistryProcess.start({ databaseUrl: own.url, settings: { WAYBILL_ROLES: 'blobs,manifests', WAYBILL_HTTP_WORKERS: '1' } });
    ends.push(() => registry.stop());
    await setUpDatabase({ databaseUrl: own.url, settings: { WAYBILL_KAFKA_BROKERS: kafka.broker } });
    const relays = await Relays.start(serviceUrl(own.url, 'relay'), kafka.broker, own.database);
    ends.push(() => relays.stop());
    const load = PushLoad.start(registry.baseUrl);
    ends.push(() => load.stop());
    return await drill(options, { database: own.database, kafka, relays, load });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

interface Scene {
  readonly database: Database;
  readonly kafka: KafkaServer;
  readonly relays: Relays;
  readonly load: PushLoad;
}

async function drill({ kills, outage, say }: DrillOptions, { database, kafka, relays, load }: Scene): Promise<DrillReport> {
  const takeovers: number[] = [];
  for (let n = 1; n <= kills; n++) {
    takeovers.push(await relays.killLeader());
    if (n % 10 === 0 || n === kills) say(`${n} kills, taken over after ${Math.round(takeovers.at(-1) ?? 0)} ms`);
  }
  await sleep(3_000);
  const before = load.latencies();
  say(`pushes before the outage: p50 ${before.p50.toFixed(1)} ms, p99 ${before.p99.toFixed(1)} ms`);
  await kafka.kill();
  const began = performance.now();
  load.latencies();
  while (performance.now() - began < outage * 1000) await sleep(1_000);
  const during = load.latencies();
  const { events: backlog } = await relays.lag();
  say(`pushes while Kafka was away for ${outage} s: p50 ${during.p50.toFixed(1)} ms, p99 ${during.p99.toFixed(1)} ms; ${backlog} events wait`);
  await kafka.restart();
  const back = performance.now();
  await relays.drained(backlog, DRAIN_MS);
  const drainSeconds = (performance.now() - back) / 1000;
  await load.stop();
  const last = await new Sealer(database).drain();
  await relays.drained(0, DRAIN_MS);
  const messages = await wholeTopic(openKafka({ brokers: [kafka.broker], clientId: 'drill' }), EVENTS, last, DRAIN_MS);
  const faults = [...load.failures, ...topicFaults(messages, last), ...(backlog > 0 ? [] : ['no event waited for Kafka: the outage showed nothing'])];
  return { faults, events: last, repeated: messages.length - last, takeovers, before, outage: during, backlog, drainSeconds };
}
