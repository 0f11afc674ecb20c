import type { SealedEvent } from '@waybill/events';
import { CLOUD_EVENT_TYPE, cloudEventOf } from './cloud-event.js';
import type { CloudEvent } from './cloud-event.js';
import { Partitioners } from './kafka-client.js';
import type { Message, TopicMessages } from './kafka-client.js';

export interface RelayTopics {
  /** Every event: CloudEvents, keyed by repository. Never compacted. */
  readonly events: string;
  /** The present digest of each tag, keyed `<repository>:<tag>`; compacted. */
  readonly tags: string;
}

/** A message whose partition we chose. */
type PlacedMessage = Message & { readonly partition: number };

/** A batch that one transaction of Kafka carries. */
export interface RelayBatch {
  readonly messages: TopicMessages[];
  /** seq of the last event in it: the checkpoint once Kafka has it. */
  readonly lastSeq: number;
  readonly events: number;
  /** The last seq of every partition that the batch touches. */
  readonly partitions: ReadonlyMap<number, number>;
}

/** What Kafka adds to a record of ours at most: lengths, timestamps, names of headers. */
const RECORD_OVERHEAD = 200;

/** The partition of a topic for a key. */
export type ChoosePartition = (topic: string, key: string) => number;

/**
 * Kafka's own partitioner, as every other client has it, on a number of partitions that is fixed: whoever reads one repository knows its partition.
 * @param partitions of each topic
 */
export function choosePartition(partitions: ReadonlyMap<string, number>): ChoosePartition {
  const partitioner = Partitioners.DefaultPartitioner();
  const metadata = new Map([...partitions].map(([topic, count]) => [topic, Array.from({ length: count }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 0, replicas: [], isr: [] }))]));
  return (topic, key) => partitioner({ topic, partitionMetadata: metadata.get(topic) ?? [], message: { key, value: null } });
}

/**
 * Cuts events, in the order of seq, into batches of at most `maxBytes` of messages; an event that is larger goes alone. `previous`, the last
 * seq that went to each partition, is the header `prevseq`, by which a reader sees that it missed nothing; it is moved along.
 */
export function batchesOf(events: readonly SealedEvent[], topics: RelayTopics, choose: ChoosePartition, previous: Map<number, number>, maxBytes: number): RelayBatch[] {
  const batches: RelayBatch[] = [];
  let batch = new Batch(topics);
  for (const event of events) {
    const cloudEvent = cloudEventOf(event);
    const message = eventMessage(cloudEvent, choose, topics, previous);
    const tag = tagMessage(event, cloudEvent, choose, topics);
    const bytes = bytesOf(message) + (tag === undefined ? 0 : bytesOf(tag));
    if (batch.events > 0 && batch.bytes + bytes > maxBytes) {
      batches.push(batch.end());
      batch = new Batch(topics);
    }
    batch.add(event.seq, message, tag, bytes);
  }
  if (batch.events > 0) batches.push(batch.end());
  return batches;
}

class Batch {
  bytes = 0;
  readonly #events: PlacedMessage[] = [];
  readonly #tags: PlacedMessage[] = [];
  readonly #partitions = new Map<number, number>();
  #lastSeq = 0;

  constructor(private readonly topics: RelayTopics) {}

  get events(): number {
    return this.#events.length;
  }

  add(seq: number, message: PlacedMessage, tag: PlacedMessage | undefined, bytes: number): void {
    this.#events.push(message);
    if (tag !== undefined) this.#tags.push(tag);
    this.#partitions.set(message.partition, seq);
    this.#lastSeq = seq;
    this.bytes += bytes;
  }

  end(): RelayBatch {
    const messages: TopicMessages[] = [{ topic: this.topics.events, messages: this.#events }];
    if (this.#tags.length > 0) messages.push({ topic: this.topics.tags, messages: this.#tags });
    return { messages, lastSeq: this.#lastSeq, events: this.events, partitions: this.#partitions };
  }
}

function eventMessage(cloudEvent: CloudEvent, choose: ChoosePartition, { events: topic }: RelayTopics, previous: Map<number, number>): PlacedMessage {
  const partition = choose(topic, cloudEvent.partitionkey);
  const prevseq = previous.get(partition) ?? 0;
  previous.set(partition, Number(cloudEvent.sequence));
  const headers = { 'content-type': CLOUD_EVENT_TYPE, prevseq: String(prevseq), ...(cloudEvent.traceparent === undefined ? {} : { traceparent: cloudEvent.traceparent }) };
  return { key: cloudEvent.partitionkey, partition, value: JSON.stringify(cloudEvent), headers, timestamp: timestampOf(cloudEvent) };
}

/** The value is the digest and nothing else, so that a deployer needs no parser; a deleted tag is a tombstone, which compaction removes. */
function tagMessage(event: SealedEvent, cloudEvent: CloudEvent, choose: ChoosePartition, { tags: topic }: RelayTopics): PlacedMessage | undefined {
  const moved = tagChange(event);
  if (moved === undefined) return undefined;
  const { key, digest } = moved;
  const headers = { source: cloudEvent.source, sequence: cloudEvent.sequence };
  return { key, partition: choose(topic, key), value: digest, headers, timestamp: timestampOf(cloudEvent) };
}

/** Kafka counts milliseconds. */
function timestampOf({ time }: CloudEvent): string {
  return String(Date.parse(time));
}

function tagChange({ type, data, meta }: SealedEvent): { readonly key: string; readonly digest: string | null } | undefined {
  if (!isRecord(data) || !isRecord(meta) || typeof meta['repo_name'] !== 'string' || typeof data['tag'] !== 'string') return undefined;
  const key = `${meta['repo_name']}:${data['tag']}`;
  if (type === 'TagDeleted') return { key, digest: null };
  return type === 'TagMoved' && typeof data['to_digest'] === 'string' ? { key, digest: data['to_digest'] } : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function bytesOf({ key, value, headers }: Message): number {
  const texts = [key, value, ...Object.values(headers ?? {})];
  return texts.reduce((sum, text) => sum + (typeof text === 'string' ? Buffer.byteLength(text) : 0), RECORD_OVERHEAD);
}
