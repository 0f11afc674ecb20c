import { OutletRefused } from '../event-outlet.js';
import type { Acknowledged } from '../event-outlet.js';
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
export class TopicsRefused extends OutletRefused {
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

/**
 * Throws TopicsRefused where the topic of events ends before what it acknowledged: it was deleted and made again, or its brokers came back with older
 * data. To go on would leave a hole that no reader could see. What grew old and was deleted still counts in the end of a partition.
 */
export function checkNothingLost(kafka: Kafka, topic: string, acknowledged: ReadonlyMap<number, Acknowledged>): Promise<void> {
  return withAdmin(kafka, async (admin) => {
    const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, Number(high)]));
    for (const [partition, { seq, end = 1 }] of acknowledged) {
      const found = ends.get(partition) ?? 0;
      if (found < end) throw new TopicsRefused(`The Kafka topic ${topic} has lost events: partition ${partition} ends at offset ${found}, but had taken event ${seq} of the log and ended at ${end} or later. The topic was made again, or its brokers have older data than the database; going on would leave a gap that no reader sees. Publish the log again from the first lost event (publish-again --from ${found === 0 ? '1' : '<number>'}, docs/guides/backup.md).`);
    }
  });
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
  const configNames = ['cleanup.policy', 'max.message.bytes'];
  const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [...new Set([topics.events, topics.tags])].map((name) => ({ type: ConfigResourceTypes.TOPIC, name, configNames })) });
  for (const { resourceName, configEntries } of resources) {
    const settings = new Map(configEntries.map(({ configName, configValue }) => [configName, configValue]));
    const fault = settingFault(resourceName === topics.tags && topics.tags !== topics.events ? TAGS : EVENTS, settings);
    if (fault !== undefined) throw new TopicsRefused(`The Kafka topic ${resourceName} has ${fault} Alter it (kafka-configs.sh --alter --entity-type topics --entity-name ${resourceName} --add-config ...); the relay then goes on by itself.`);
  }
}

interface TopicNeeds {
  readonly policy: string;
  readonly policyWhy: string;
  readonly messageBytes: number;
  readonly messageWhy: string;
}

const EVENTS: TopicNeeds = {
  policy: 'delete', policyWhy: 'compaction keeps the last event of a repository and drops its history',
  messageBytes: MAX_MESSAGE_BYTES, messageWhy: 'one push may be an event of that size, and the relay would stand before it',
};
const TAGS: TopicNeeds = {
  policy: 'compact', policyWhy: 'deletion by age loses every tag that has not moved for that long',
  messageBytes: 1024 ** 2, messageWhy: 'the tags of a batch of events travel together',
};

/** A right to read the settings may be missing, and a broker may keep some to itself: what is not there is not judged. */
function settingFault(needs: TopicNeeds, settings: ReadonlyMap<string, string>): string | undefined {
  const [policy, bytes] = [settings.get('cleanup.policy'), settings.get('max.message.bytes')];
  if (policy !== undefined && policy !== needs.policy) return `cleanup.policy=${policy}; expected ${needs.policy}, because ${needs.policyWhy}.`;
  if (bytes !== undefined && Number(bytes) < needs.messageBytes) return `max.message.bytes=${bytes}; expected at least ${needs.messageBytes}, because ${needs.messageWhy}.`;
  return undefined;
}

function unknownTopic(topics: RelayTopics): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof KafkaJSProtocolError) || error.type !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
    throw new TopicsRefused(`The Kafka topics ${topics.events} and ${topics.tags} are not both there. The set-up step (apps/migrate) makes them; run it.`);
  };
}
