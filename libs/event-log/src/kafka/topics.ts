import { ConfigResourceTypes, KafkaJSProtocolError } from './kafka-client.js';
import type { Admin, Kafka } from './kafka-client.js';
import type { RelayTopics } from './relay-messages.js';

export interface TopicOptions {
  readonly topics: RelayTopics;
  /** Of each topic, fixed for ever: another number would send a repository elsewhere and end its order. */
  readonly partitions: number;
  /** Copies of each partition; the brokers' default unless given. */
  readonly replicationFactor?: number;
  /** For how long the brokers keep events. The log keeps them all. */
  readonly retentionMs: number;
}

/** One event may be this large: a manifest of 4 MiB with nothing but layers. Kafka's own limit, 1 MiB, is for a batch. */
const MAX_MESSAGE_BYTES = 8 * 1024 ** 2;

/** Topics that are there but not as the relay needs them. The message is fit for a person. */
export class TopicsRefused extends Error {
  override readonly name = 'TopicsRefused';
}

/** Creates the topics that are missing, and answers their names; those that are there stay as they are. May run any number of times at once. Throws TopicsRefused. */
export function ensureTopics(kafka: Kafka, options: TopicOptions): Promise<string[]> {
  return withAdmin(kafka, async (admin) => {
    const there = new Set(await admin.listTopics());
    const missing = wanted(options).filter(({ topic }) => !there.has(topic));
    // false where another process was first
    if (missing.length > 0) await admin.createTopics({ topics: missing, waitForLeaders: true });
    await check(admin, options);
    return missing.map(({ topic }) => topic);
  });
}

/** Throws TopicsRefused unless both topics are there as the relay needs them. */
export function checkTopics(kafka: Kafka, options: TopicOptions): Promise<void> {
  return withAdmin(kafka, (admin) => check(admin, options));
}

async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

function wanted({ topics, partitions, replicationFactor, retentionMs }: TopicOptions) {
  const topic = (name: string, config: Readonly<Record<string, string>>) => ({
    topic: name,
    numPartitions: partitions,
    replicationFactor: replicationFactor ?? -1,
    configEntries: Object.entries({ 'max.message.bytes': String(MAX_MESSAGE_BYTES), ...config }).map(([key, value]) => ({ name: key, value })),
  });
  return [
    topic(topics.events, { 'cleanup.policy': 'delete', 'retention.ms': String(retentionMs) }),
    topic(topics.tags, { 'cleanup.policy': 'compact' }),
  ];
}

async function check(admin: Admin, { topics, partitions }: TopicOptions): Promise<void> {
  const metadata = await admin.fetchTopicMetadata({ topics: [topics.events, topics.tags] }).catch(unknownTopic(topics));
  for (const { name, partitions: found } of metadata.topics) {
    if (found.length !== partitions) {
      throw new TopicsRefused(`The Kafka topic ${name} has ${found.length} partitions; expected ${partitions} (kafka.partitions). The number is fixed when a topic is made, because another one moves repositories between partitions and ends their order. Set kafka.partitions to ${found.length} if the topic is new, or name another topic.`);
    }
  }
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topics.events, configNames: ['cleanup.policy'] }] });
  const policy = resources[0]?.configEntries.find(({ configName }) => configName === 'cleanup.policy')?.configValue;
  if (policy !== undefined && policy !== 'delete') throw new TopicsRefused(`The Kafka topic ${topics.events} has cleanup.policy=${policy}; expected delete, because compaction keeps the last event of a repository and drops its history.`);
}

function unknownTopic(topics: RelayTopics): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof KafkaJSProtocolError) || error.type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
    throw new TopicsRefused(`The Kafka topics ${topics.events} and ${topics.tags} are not both there. The set-up step (apps/migrate) makes them; run it.`);
  };
}
