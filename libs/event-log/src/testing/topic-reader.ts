import { setTimeout as delay } from 'node:timers/promises';
import type { Kafka } from '../kafka/kafka-client.js';

/** One message as it lies in the topic, committed ones only. */
export interface TopicMessage {
  readonly partition: number;
  readonly key: string;
  readonly value: string | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads a topic from its first message until it has been told to stop, as any subscriber would: one consumer group of its own. */
export class TopicReader {
  readonly messages: TopicMessage[] = [];

  private constructor(private readonly end: () => Promise<void>) {}

  static async start(kafka: Kafka, topic: string): Promise<TopicReader> {
    const consumer = kafka.consumer({ groupId: `reader-${crypto.randomUUID()}`, maxWaitTimeInMs: 100, retry: { retries: 100, maxRetryTime: 1_000 } });
    const reader = new TopicReader(() => consumer.disconnect());
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: ({ partition, message: { key, value, headers } }) => {
        const texts = Object.entries(headers ?? {}).map(([name, header]) => [name, String(header)] as const);
        reader.messages.push({ partition, key: String(key), value: value === null ? null : value.toString(), headers: Object.fromEntries(texts) });
        return Promise.resolve();
      },
    });
    return reader;
  }

  async stop(): Promise<void> {
    await this.end();
  }
}

/** Every message of a topic that has to have `atLeast`: until it does and nothing more comes for a second, or for `ms`. */
export async function wholeTopic(kafka: Kafka, topic: string, atLeast: number, ms: number): Promise<readonly TopicMessage[]> {
  const reader = await TopicReader.start(kafka, topic);
  const end = performance.now() + ms;
  for (let seen = -1; (reader.messages.length < atLeast || seen !== reader.messages.length) && performance.now() < end; ) {
    seen = reader.messages.length;
    await delay(1_000);
  }
  await reader.stop();
  return reader.messages;
}

/** What a subscriber keeps that drops, per partition, everything that is not above the last sequence it saw. */
export function withoutRepetitions(messages: readonly TopicMessage[]): readonly Published[] {
  const last = new Map<number, number>();
  return messages.flatMap((message) => {
    const { sequence } = publishedEvent(message);
    if (sequence <= (last.get(message.partition) ?? 0)) return [];
    last.set(message.partition, sequence);
    return [publishedEvent(message)];
  });
}

/** What a check of the topic asks of an event. */
export interface Published {
  readonly sequence: number;
  readonly partition: number;
  readonly key: string;
  readonly previous: number;
  readonly event: Readonly<Record<string, unknown>>;
}

export function publishedEvent({ partition, key, value, headers }: TopicMessage): Published {
  const event: unknown = JSON.parse(value ?? 'null');
  if (typeof event !== 'object' || event === null) throw new Error(`a message of partition ${partition} is no event: ${value}`);
  const attributes = Object.fromEntries(Object.entries(event));
  return { sequence: Number(attributes['sequence']), partition, key, previous: Number(headers['prevseq']), event: attributes };
}

/** What is wrong with a topic that must have every event of 1 to `lastSeq`, each repository's in order. Empty: nothing. */
export function topicFaults(messages: readonly TopicMessage[], lastSeq: number): string[] {
  const kept = withoutRepetitions(messages);
  const faults: string[] = [];
  const seen = new Set(kept.map(({ sequence }) => sequence));
  for (let seq = 1; seq <= lastSeq; seq++) if (!seen.has(seq)) faults.push(`seq ${seq} is missing`);
  const partitions = new Map<string, number>();
  const last = new Map<number, number>();
  for (const { sequence, partition, key, previous } of kept) {
    if ((partitions.get(key) ?? partition) !== partition) faults.push(`the key ${key} is in two partitions`);
    partitions.set(key, partition);
    if (previous !== (last.get(partition) ?? 0)) faults.push(`seq ${sequence} says that ${previous} went before it to partition ${partition}; ${last.get(partition) ?? 0} did`);
    last.set(partition, sequence);
  }
  return faults;
}
