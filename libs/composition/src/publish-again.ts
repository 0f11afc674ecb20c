import { parseArgs } from 'node:util';
import { publishAgain } from '@waybill/event-log/postgres';
import { PgDatabase } from '@waybill/platform';
import type { Config } from '@waybill/platform';
import { findDatabase } from './found-database.js';
import { kafkaOptions, topicOptions } from './kafka-settings.js';

/**
 * `--from <number>`: has the relay publish the log to Kafka again from that event on, after the topics were lost. Both topics get what they got before, in
 * the same order, with the same ids, and the topic of tags loses what the log does not know. As the owner of the schema; the relay may be at work. 0 = done.
 */
export async function publishAgainCommand(config: Config, words: readonly string[]): Promise<number> {
  const from = fromOf(words);
  const kafka = await kafkaOptions(config);
  if (kafka === undefined) throw new Error('There is nothing to publish to: kafka.brokers (WAYBILL_KAFKA_BROKERS) names no broker.');
  const { KafkaOutlet } = await import('@waybill/event-log/kafka');
  const outlet = new KafkaOutlet({ kafka, topics: topicOptions(config), createTopics: false });
  const server = await findDatabase(config);
  const database = new PgDatabase({ url: server.url, poolSize: 1 });
  try {
    const { events, corrected } = await publishAgain(database, outlet, from);
    process.stdout.write(`The relay publishes ${events} events again, from number ${from} on, to the topics ${config.kafka.events} and ${config.kafka.tags}.\n`);
    if (corrected > 0) process.stdout.write(`The topic ${config.kafka.tags} said of ${corrected} tags what the log does not, and no longer does.\n`);
    return 0;
  } finally {
    await database.close();
    await server.stop();
  }
}

function fromOf(words: readonly string[]): number {
  const { from } = parseArgs({ args: [...words], options: { from: { type: 'string' } } }).values;
  if (from === undefined || !/^[1-9]\d{0,15}$/.test(from)) throw new Error('Expected --from <number>: that of the first event to publish again; 1 is the whole log.');
  return Number(from);
}
