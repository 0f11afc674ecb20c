import type { Kafka, Producer, RecordMetadata, TopicMessages } from './kafka-client.js';

/** How long the brokers wait for a transaction that nobody ends: its producer was killed, or cannot reach them. Readers wait as long. */
const TRANSACTION_TIMEOUT_MS = 30_000;

export interface PublisherOptions {
  readonly kafka: Kafka;
  /** The same for every process that publishes one log to one topic: the brokers let only the latest of them go on. */
  readonly transactionalId: string;
}

/**
 * The right to publish. Since `open` has resolved, no earlier publisher of the same transactional id can add a message: the brokers refuse it
 * (fencing by producer epoch), and what it had under way is undone.
 */
export class Publisher {
  private constructor(private readonly producer: Producer) {}

  /** Throws whatever the brokers or the network say. */
  static async open({ kafka, transactionalId }: PublisherOptions): Promise<Publisher> {
    const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, transactionTimeout: TRANSACTION_TIMEOUT_MS, allowAutoTopicCreation: false });
    try {
      await producer.connect();
      // the library asks for the producer's epoch with its first transaction: this one carries nothing
      await (await producer.transaction()).abort();
      return new Publisher(producer);
    } catch (error) {
      await producer.disconnect().catch(() => undefined);
      throw error;
    }
  }

  /**
   * All messages or none, for readers of committed messages; resolves once every in-sync copy has them (acks=all), with the offset after the last
   * message of each partition that the brokers told, by topic.
   */
  async publish(topicMessages: TopicMessages[]): Promise<ReadonlyMap<string, ReadonlyMap<number, number>>> {
    const transaction = await this.producer.transaction();
    try {
      const told = await transaction.sendBatch({ topicMessages, acks: -1 });
      await transaction.commit();
      return endsOf(topicMessages, told);
    } catch (error) {
      // of a failed commit nobody knows the outcome; the next publisher's start settles it
      await transaction.abort().catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.producer.disconnect();
  }
}

function endsOf(topicMessages: readonly TopicMessages[], told: readonly RecordMetadata[]): Map<string, Map<number, number>> {
  const ends = new Map<string, Map<number, number>>();
  for (const { topic, messages } of topicMessages) {
    const counts = new Map<number, number>();
    for (const { partition } of messages) if (partition !== undefined) counts.set(partition, (counts.get(partition) ?? 0) + 1);
    const bases = told.filter(({ topicName, baseOffset }) => topicName === topic && baseOffset !== undefined);
    ends.set(topic, new Map(bases.map(({ partition, baseOffset }) => [partition, Number(baseOffset) + (counts.get(partition) ?? 0)])));
  }
  return ends;
}
