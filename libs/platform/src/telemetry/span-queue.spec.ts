import { SpanQueue } from './span-queue.js';

const frame = { head: '[', tail: ']' };
const spansOf = (batch: Uint8Array): unknown[] => JSON.parse(Buffer.from(batch).toString());

/** A collector that takes what it is given when it is told to. */
function collector(): { readonly batches: unknown[][]; readonly sends: number[]; readonly answer: (error?: Error) => void; readonly send: (batch: Uint8Array) => Promise<void> } {
  const batches: unknown[][] = [];
  const sends: number[] = [];
  const waiting: ((error?: Error) => void)[] = [];
  return {
    batches,
    sends,
    answer: (error) => waiting.shift()?.(error),
    send: (batch) => new Promise((resolve, reject) => {
      sends.push(batch.byteLength);
      waiting.push((error) => {
        if (error !== undefined) return reject(error);
        // read as late as it can be: nobody may have written into it meanwhile
        batches.push(spansOf(batch));
        resolve();
      });
    }),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('spans that wait for the collector', () => {
  it('go as batches in their order, and what is left when the process ends', async () => {
    const { batches, answer, send } = collector();
    const queue = new SpanQueue(frame, send, () => undefined);
    for (let i = 0; i < 600; i += 1) queue.add(JSON.stringify({ i, text: 'é€' }));
    const ended = queue.shutdown();
    for (let i = 0; i < 3; i += 1) answer();
    await ended;
    expect(batches.map((spans) => spans.length)).toEqual([256, 256, 88]);
    expect(batches.flat()).toEqual(Array.from({ length: 600 }, (_, i) => ({ i, text: 'é€' })));
    expect(queue.counts).toEqual({ exported: 600, failed: 0, dropped: 0 });
  });

  it('are dropped and counted beyond 4096, those on their way included, and four batches are on their way at most', async () => {
    const { sends, answer, send } = collector();
    const queue = new SpanQueue(frame, send, () => undefined);
    for (let i = 0; i < 5_000; i += 1) queue.add('{}');
    expect([sends.length, queue.counts.dropped]).toEqual([4, 5_000 - 4_096]);
    answer();
    await turn();
    expect([sends.length, queue.counts.exported]).toEqual([5, 256]);
    queue.add('{}');
    expect(queue.counts.dropped).toBe(5_000 - 4_096);
  });

  it('of a batch that was not taken are counted, told of once, and never written over while a socket may have them', async () => {
    const { sends, answer, send } = collector();
    const failures: unknown[] = [];
    const seen: Uint8Array[] = [];
    const queue = new SpanQueue(frame, (batch) => (seen.push(batch), send(batch)), (error) => failures.push(error));
    for (let i = 0; i < 256; i += 1) queue.add('"first"');
    answer(new Error('gone'));
    await turn();
    for (let i = 0; i < 256; i += 1) queue.add('"later"');
    answer(new Error('still gone'));
    await turn();
    expect([sends.length, failures.length, queue.counts]).toEqual([2, 1, { exported: 0, failed: 512, dropped: 0 }]);
    expect(seen.map((batch) => spansOf(batch)[0])).toEqual(['first', 'later']);
  });

  it('that are long fill batches of fewer, and one beyond all measure is dropped', async () => {
    const { batches, answer, send } = collector();
    const queue = new SpanQueue(frame, send, () => undefined);
    const long = JSON.stringify('€'.repeat(20_000));
    for (let i = 0; i < 10; i += 1) queue.add(long);
    queue.add(JSON.stringify('x'.repeat(200_000)));
    const ended = queue.shutdown();
    for (let i = 0; i < 10; i += 1) {
      answer();
      await turn();
    }
    await ended;
    expect(batches.length).toBeGreaterThan(2);
    expect(batches.flat()).toEqual(Array.from({ length: 10 }, () => '€'.repeat(20_000)));
    expect(queue.counts).toEqual({ exported: 10, failed: 0, dropped: 1 });
  });

  it('use the memory of batches that were taken again', async () => {
    const buffers = new Set<ArrayBufferLike>();
    const queue = new SpanQueue(frame, (batch) => (buffers.add(batch.buffer), Promise.resolve()), () => undefined);
    for (let i = 0; i < 20; i += 1) {
      for (let k = 0; k < 256; k += 1) queue.add('{}');
      await turn();
    }
    expect(buffers.size).toBeLessThanOrEqual(2);
  });
});
