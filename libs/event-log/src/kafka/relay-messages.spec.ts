import type { SealedEvent } from '@waybill/events';
import { batchesOf, choosePartition } from './relay-messages.js';

const topics = { events: 'events', tags: 'tags' };
const choose = choosePartition(new Map([['events', 24], ['tags', 24]]));
const log = { log_id: '0190d3f0-0000-7000-8000-00000000000a', epoch: 1 };

function moved(seq: number, repository: number, tag = '1.0', size = 0): SealedEvent {
  const repo_id = `0190d3f0-0000-7000-8000-${String(repository).padStart(12, '0')}`;
  const data = { tag, from_digest: null, to_digest: `sha256:${'0'.repeat(64)}`, padding: 'x'.repeat(size) };
  return { ...log, seq, gpos: seq, event_id: `e${seq}`, stream: `tag-${repo_id}:${tag}`, version: 1, type: 'TagMoved', schema_version: 1, tenant_id: 1, repo_id, data, meta: { repo_name: `acme/app${repository}` }, at: '2026-11-21T12:00:00.000000Z' };
}

function deleted(seq: number, repository: number): SealedEvent {
  const event = moved(seq, repository);
  return { ...event, type: 'TagDeleted', data: { tag: '1.0', digest: `sha256:${'0'.repeat(64)}`, reason: 'api' } };
}

describe('the messages of the relay', () => {
  it('keep a repository in one partition, the one that every Kafka client computes', () => {
    // murmur2 of the key, as the Java client has it
    expect(choosePartition(new Map([['t', 24]]))('t', 'foobar')).toBe((-790332482 & 0x7fffffff) % 24);
    expect(choose('events', 'a-repository')).toBe(choose('events', 'a-repository'));
  });

  it('say which seq went before to the same partition', () => {
    const previous = new Map<number, number>();
    const [batch] = batchesOf([moved(5, 1), moved(6, 2), moved(7, 1), moved(8, 1)], topics, choose, previous, 1e6);
    const [first, second, third, fourth] = batch?.messages[0]?.messages ?? [];
    expect([first, third, fourth].map((message) => message?.headers?.['prevseq'])).toEqual(['0', '5', '7']);
    expect(second?.partition).not.toBe(first?.partition);
    expect(previous).toEqual(new Map([[first?.partition, 8], [second?.partition, 6]]));
    expect(batch?.partitions).toEqual(previous);
    expect(batch?.lastSeq).toBe(8);
  });

  it('stay under the bytes that a broker takes, in order and complete', () => {
    const events = Array.from({ length: 50 }, (_, i) => moved(i + 1, i % 3, '1.0', 1_000));
    const batches = batchesOf(events, topics, choose, new Map(), 10_000);
    expect(batches.length).toBeGreaterThan(5);
    for (const { messages } of batches) {
      const bytes = messages.flatMap((topic) => topic.messages).reduce((sum, { value }) => sum + String(value).length, 0);
      expect(bytes).toBeLessThan(10_000);
    }
    const sequences = batches.flatMap(({ messages }) => messages[0]?.messages ?? []).map(({ value }) => Number(JSON.parse(String(value)).sequence));
    expect(sequences).toEqual(events.map(({ seq }) => seq));
    expect(batches.at(-1)?.lastSeq).toBe(50);
  });

  it('send an event alone that is larger than a batch', () => {
    const batches = batchesOf([moved(1, 1), moved(2, 1, 'big', 50_000), moved(3, 1)], topics, choose, new Map(), 10_000);
    expect(batches.map(({ lastSeq, events }) => [lastSeq, events])).toEqual([[1, 1], [2, 1], [3, 1]]);
  });

  it('carry the present digest of a tag, and nothing once it is deleted', () => {
    const [batch] = batchesOf([moved(1, 1), deleted(2, 1)], topics, choose, new Map(), 1e6);
    const tags = batch?.messages.find(({ topic }) => topic === 'tags')?.messages ?? [];
    expect(tags.map(({ key, value }) => [key, value])).toEqual([['acme/app1:1.0', `sha256:${'0'.repeat(64)}`], ['acme/app1:1.0', null]]);
    expect(tags[1]?.headers?.['sequence']).toBe('00000000000000000002');
  });

  it('need no topic of tags for events of other kinds', () => {
    const [batch] = batchesOf([{ ...moved(1, 1), type: 'ManifestPushed', data: { digest: 'sha256:0' } }], topics, choose, new Map(), 1e6);
    expect(batch?.messages.map(({ topic }) => topic)).toEqual(['events']);
  });
});
