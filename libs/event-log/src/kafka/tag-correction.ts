import { setTimeout as delay } from 'node:timers/promises';
import { isAway } from './kafka-client.js';
import type { Kafka, Message } from './kafka-client.js';
import type { Publisher } from './publisher.js';
import type { ChoosePartition } from './relay-messages.js';

/** The key of a message in each partition that shows where the topic ended; no tag's key is without a colon. */
const END_KEY = 'publish-again';
const IDLE_MS = 60_000;
const ATTEMPTS = 20;
const RETRY_MS = 1_000;
/** Of one transaction: 600 KB at most, below the 1 MiB that brokers take in a batch. What is read at a time may be more, and shorter. */
const MOST_MESSAGES = 1_000;

/** The present digest of the tags behind these keys, as the log has them; of a key that it does not know, nothing. */
export type TagStates = (keys: readonly string[]) => Promise<ReadonlyMap<string, string>>;

export interface TagCorrection {
  readonly kafka: Kafka;
  /** Nobody else publishes to the topic while it works. */
  readonly publisher: Publisher;
  readonly topic: string;
  readonly partitions: number;
  readonly choose: ChoosePartition;
  /** A consumer group of its own, which keeps nothing. */
  readonly groupId: string;
  /** Of each message that it writes. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Reads the compacted topic of tags from its beginning to where it ends now, and writes what the log says of each key behind which the topic says something
 * else; a key that the log does not know gets a tombstone. Holds one batch of the broker's in memory at a time. Answers how many messages it wrote.
 */
export async function correctTags(correction: TagCorrection, statesOf: TagStates): Promise<number> {
  const ends = await endsNow(correction);
  for (let attempt = 1; ; attempt++) {
    try {
      return await correctTo(ends, correction, statesOf);
    } catch (error) {
      // brokers that have had no group before make its place first
      if (!isAway(error) || attempt === ATTEMPTS) throw error;
      await delay(RETRY_MS);
    }
  }
}

async function correctTo(ends: ReadonlyMap<number, number>, correction: TagCorrection, statesOf: TagStates): Promise<number> {
  const { kafka, topic, groupId } = correction;
  const open = new Map(ends);
  let written = 0;
  let idle: NodeJS.Timeout | undefined;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200, retry: { retries: 3 } });
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      idle = setTimeout(() => reject(new Error(`The topic ${topic} could not be read to its end: nothing came for ${IDLE_MS / 1000} s. Look at its brokers and run the command again.`)), IDLE_MS);
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
      void consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch }) => {
          idle?.refresh();
          const end = open.get(batch.partition);
          if (end === undefined) return;
          try {
            written += await correct(correction, batch.messages, statesOf);
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
            return;
          }
          if (Number(batch.lastOffset()) + 1 >= end) open.delete(batch.partition);
          if (open.size === 0) resolve();
        },
      }).catch(reject);
    });
  } finally {
    clearTimeout(idle);
    await consumer.disconnect().catch(() => undefined);
    await forget(kafka, groupId);
  }
  return written;
}

/** By partition, the offset after the last message: that of one which is written here, because what ends a transaction takes offsets that no reader sees. */
async function endsNow({ publisher, topic, partitions }: TagCorrection): Promise<Map<number, number>> {
  const messages = Array.from({ length: partitions }, (_, partition) => ({ key: END_KEY, value: null, partition }));
  return new Map((await publisher.publish([{ topic, messages }])).get(topic));
}

async function correct({ publisher, topic, choose, headers }: TagCorrection, messages: readonly Message[], statesOf: TagStates): Promise<number> {
  const said = new Map<string, string | null>();
  for (const { key, value } of messages) said.set(String(key), value === null ? null : value.toString());
  said.delete(END_KEY);
  const states = await statesOf([...said.keys()]);
  const wrong = [...said].filter(([key, digest]) => (states.get(key) ?? null) !== digest).map(([key]) => key);
  for (let from = 0; from < wrong.length; from += MOST_MESSAGES) {
    const some = wrong.slice(from, from + MOST_MESSAGES).map((key) => ({ key, value: states.get(key) ?? null, partition: choose(topic, key), headers: { ...headers } }));
    await publisher.publish([{ topic, messages: some }]);
  }
  return wrong.length;
}

/** A group is left to the brokers where they do not let us delete it; they drop it in time. */
async function forget(kafka: Kafka, groupId: string): Promise<void> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    await admin.deleteGroups([groupId]);
  } catch {
    // it has neither offsets nor members
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
