import { setImmediate as turn } from 'node:timers/promises';
import { Gather } from './gather.js';

/** Answers when told to, and remembers the batches. */
function controlled(options?: { batch?: number; inFlight?: number }): { gather: Gather<number, string>; batches: number[][]; release: () => Promise<void> } {
  const batches: number[][] = [];
  const pending: (() => void)[] = [];
  const gather = new Gather<number, string>((questions) => {
    batches.push([...questions]);
    return new Promise((resolve) => pending.push(() => resolve(questions.map(String))));
  }, options);
  return { gather, batches, release: async () => { pending.shift()?.(); await turn(); await turn(); } };
}

describe('Gather', () => {
  it('runs the questions of one turn as one batch and gives each caller its own answer', async () => {
    const { gather, batches, release } = controlled();
    const answers = Promise.all([gather.ask(1), gather.ask(2), gather.ask(3)]);
    await turn();
    await release();
    expect(await answers).toEqual(['1', '2', '3']);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  it('asks after the question came in, never before', async () => {
    const { gather, batches, release } = controlled({ inFlight: 1 });
    const first = gather.ask(1);
    await turn();
    const second = gather.ask(1);
    await release();
    expect(await first).toBe('1');
    expect(batches).toEqual([[1], [1]]);
    await release();
    expect(await second).toBe('1');
  });

  it('lets batches grow while the allowed number is under way, up to the bound', async () => {
    const { gather, batches, release } = controlled({ batch: 4, inFlight: 2 });
    const answers = [gather.ask(0)];
    await turn();
    answers.push(gather.ask(1));
    await turn();
    for (let question = 2; question < 8; question++) {
      answers.push(gather.ask(question));
      await turn();
    }
    expect(batches).toEqual([[0], [1]]);
    await release();
    await release();
    await release();
    await release();
    expect(await Promise.all(answers)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(batches).toEqual([[0], [1], [2, 3, 4, 5], [6, 7]]);
  });

  it('rejects the questions of a failed batch, and only those', async () => {
    let calls = 0;
    const gather = new Gather<number, number>((questions) => (calls++ === 0 ? Promise.reject(new Error('away')) : Promise.resolve([...questions])));
    await expect(Promise.all([gather.ask(1), gather.ask(2)])).rejects.toThrow('away');
    expect(await gather.ask(3)).toBe(3);
  });

  it('rejects when the answers are not one per question', async () => {
    const gather = new Gather<number, number>(() => Promise.resolve([1]));
    await expect(Promise.all([gather.ask(1), gather.ask(2)])).rejects.toThrow('2 questions were answered by 1 answers');
  });
});
