import { Relay } from '@waybill/event-log/postgres';
import type { Config, Database, Metrics } from '@waybill/platform';
import { tellPublished } from './event-traces.js';
import type { Instruments } from './instruments.js';
import { kafkaOptions, topicOptions } from './kafka-settings.js';
import { ROLES } from './roles.js';
import type { Role } from './roles.js';

/** Where the role is and the configuration names brokers. Kafka need not be there: pushes never wait for it. */
export async function openRelay(roles: readonly Role[], config: Config, database: Database, { logger, telemetry }: Instruments): Promise<Relay | undefined> {
  const kafka = roles.includes('relay') ? await kafkaOptions(config, logger) : undefined;
  if (kafka === undefined) return undefined;
  // loaded where it is used only: 18 MB that no other process needs
  const { KafkaOutlet } = await import('@waybill/event-log/kafka');
  // the services deployment has a set-up step, which makes the topics
  const outlet = new KafkaOutlet({ kafka, topics: topicOptions(config), createTopics: roles.length === ROLES.length });
  return new Relay(database, outlet, {
    leaseMs: config.kafka.lease * 1000,
    ...(config.telemetry.endpoint === undefined ? {} : { sent: (events, startedAt) => tellPublished(telemetry, config.kafka.events, events, startedAt) }),
    failed: (error) => logger.warn({ err: error }, 'publishing to Kafka failed; it is tried again, and the log keeps the events'),
    leading: (leads) => logger.info({ leads }, leads ? 'this process publishes the log to Kafka' : 'this process no longer publishes the log to Kafka'),
  });
}

export function gaugeRelay(metrics: Metrics, relay: Relay): void {
  metrics.gauge('waybill_relay_lag_events', async () => (await relay.lag()).events);
  metrics.gauge('waybill_relay_lag_seconds', async () => (await relay.lag()).seconds);
  metrics.gauge('waybill_relay_refused', () => (relay.refusal === undefined ? 0 : 1));
  metrics.counter('waybill_relay_published_total', () => relay.published);
  metrics.counter('waybill_relay_failures_total', () => relay.failures);
}
