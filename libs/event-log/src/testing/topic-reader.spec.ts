import { topicFaults, type TopicMessage } from './topic-reader.js';

const message = (sequence: number, partition: number, key: string, previous: number): TopicMessage => ({ partition, key, value: JSON.stringify({ sequence }), headers: { prevseq: String(previous) } });
/** Two repositories in two partitions, and a third that shares the first one's. */
const WHOLE = [message(1, 0, 'a', 0), message(2, 7, 'b', 0), message(3, 0, 'c', 1), message(4, 0, 'a', 3), message(5, 7, 'b', 2)];

describe('topicFaults', () => {
  it('says nothing of a topic that has every event once, or some again as a relay that took over publishes them', () => {
    expect(topicFaults(WHOLE, 5)).toEqual([]);
    expect(topicFaults([...WHOLE.slice(0, 4), ...WHOLE.slice(2, 4), ...WHOLE.slice(4)], 5)).toEqual([]);
  });

  it.each<[string, readonly TopicMessage[], number, readonly string[]]>([
    ['an event at the end that never came', WHOLE, 6, ['seq 6 is missing']],
    ['an event in the middle that never came', WHOLE.toSpliced(2, 1), 5, ['seq 3 is missing', 'seq 4 says that 3 went before it to partition 0; 1 did']],
    ['an event that came after a later one of its partition, which readers drop', [WHOLE[0], WHOLE[1], WHOLE[3], WHOLE[2], WHOLE[4]].flatMap((one) => one ?? []), 5, ['seq 3 is missing', 'seq 4 says that 3 went before it to partition 0; 1 did']],
    ['a repository in two partitions', [...WHOLE.slice(0, 4), message(5, 0, 'b', 4)], 5, ['the key b is in two partitions']],
    ['nothing at all', [], 1, ['seq 1 is missing']],
  ])('names %s', (_what, messages, last, faults) => {
    expect(topicFaults(messages, last)).toEqual(faults);
  });

  it('rejects what is no event', () => {
    expect(() => topicFaults([{ partition: 3, key: 'a', value: null, headers: {} }], 1)).toThrow('a message of partition 3 is no event: null');
  });
});
