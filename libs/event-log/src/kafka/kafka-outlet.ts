import type { SealedEvent } from '@waybill/events';
import type { Acknowledged, EventOutlet, OpenOutlet, OutletBatch } from '../event-outlet.js';
import { SYSTEM_KEY } from './cloud-event.js';
import { openKafka } from './kafka-client.js';
import type { KafkaOptions } from './kafka-client.js';
import { Publisher } from './publisher.js';
import { batchesOf, choosePartition } from './relay-messages.js';
import type { ChoosePartition } from './relay-messages.js';
import { correctTags } from './tag-correction.js';
import type { TagStates } from './tag-correction.js';
import { checkNothingLost, checkTopics, ensureTopics } from './topics.js';
import type { TopicOptions } from './topics.js';

export interface KafkaOutletOptions {
  readonly kafka: KafkaOptions;
  readonly topics: TopicOptions;
  /** Make missing topics: for a registry in one process, which has no set-up step. */
  readonly createTopics: boolean;
  /** Bytes of messages in one transaction; below the 1 MiB that brokers take in a batch. */
  readonly batchBytes?: number;
}

/** The topics of ADR 0021. `open` throws TopicsRefused where they are not as they must be. */
export class KafkaOutlet implements EventOutlet {
  readonly name: string;
  readonly #choose: ChoosePartition;

  constructor(private readonly options: KafkaOutletOptions) {
    const { topics, partitions } = options.topics;
    this.name = `kafka:${topics.events}`;
    this.#choose = choosePartition(new Map([[topics.events, partitions], [topics.tags, partitions]]));
  }

  async open(logId: string, acknowledged: ReadonlyMap<number, Acknowledged>): Promise<OpenOutlet> {
    const { topics, createTopics } = this.options;
    const kafka = openKafka(this.options.kafka);
    await (createTopics ? ensureTopics(kafka, topics) : checkTopics(kafka, topics));
    if (acknowledged.size > 0) await checkNothingLost(kafka, topics.topics.events, acknowledged);
    const publisher = await Publisher.open({ kafka, transactionalId: transactionalId(logId, topics.topics.events) });
    return { batches: (events, previous) => this.#batches(publisher, events, previous), close: () => publisher.close() };
  }

  /**
   * Makes the topic of tags say what the log says now, and answers how many messages that took. From here on nothing that a relay has on its way arrives, so
   * the caller keeps relays from beginning until it has moved their checkpoint. @param seq the last event of the log that the outlet has had
   */
  async correctTags(logId: string, epoch: number, seq: number, statesOf: TagStates): Promise<number> {
    const { topics: { topics, partitions } } = this.options;
    const kafka = openKafka(this.options.kafka);
    await checkTopics(kafka, this.options.topics);
    const publisher = await Publisher.open({ kafka, transactionalId: transactionalId(logId, topics.events) });
    const headers = { source: `/registries/${logId}/${epoch}`, sequence: String(seq) };
    try {
      return await correctTags({ kafka, publisher, topic: topics.tags, partitions, choose: this.#choose, groupId: `waybill-publish-again-${logId}`, headers }, statesOf);
    } finally {
      await publisher.close();
    }
  }

  /** Of the topic of events. */
  partitionOf(repoId: string | null): number {
    return this.#choose(this.options.topics.topics.events, repoId ?? SYSTEM_KEY);
  }

  #batches(publisher: Publisher, events: readonly SealedEvent[], previous: Map<number, number>): OutletBatch[] {
    const { topics: { topics }, batchBytes = 900_000 } = this.options;
    return batchesOf(events, topics, this.#choose, previous, batchBytes).map(({ messages, ...batch }) => ({ ...batch, send: () => publisher.publish(messages).then((ends) => ends.get(topics.events) ?? new Map()) }));
  }
}

function transactionalId(logId: string, topic: string): string {
  return `waybill-relay-${logId}-${topic}`;
}
