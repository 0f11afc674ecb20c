import { rankDifference, timeTells } from './timing.js';

/** Numbers from 0 to 1 that are the same each time. */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Milliseconds of a request on a busy machine: around 2, skewed, and one of twenty held up for long. */
function busy(random: () => number): () => number {
  return () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return 2 * Math.exp(0.5 * normal) + (random() < 0.05 ? 40 * random() : 0);
  };
}

const many = (count: number, draw: () => number): number[] => Array.from({ length: count }, draw);

describe('the difference of ranks', () => {
  it('is what tables have', () => {
    expect(rankDifference([1, 2, 3], [4, 5, 6])).toBeCloseTo(-1.964, 3);
    expect(rankDifference([4, 5, 6], [1, 2, 3])).toBeCloseTo(1.964, 3);
    // with ties, by hand: the ranks of the first are 1, 3, 3 and 6
    expect(rankDifference([1, 2, 2, 3], [2, 3, 3, 4])).toBeCloseTo((3 - 8) / Math.sqrt((16 / 12) * (9 - 48 / 56)), 10);
    expect(rankDifference([1, 1, 1], [1, 1, 1])).toBe(0);
  });

  it('is beyond 1.96 in one of twenty and beyond 3.29 in one of a thousand where there is none, however skewed the times are', () => {
    const draw = busy(numbers(1));
    const found = many(1500, () => Math.abs(rankDifference(many(40, draw), many(40, draw))));
    const share = (limit: number): number => found.filter((z) => z > limit).length / found.length;
    expect(share(1.96)).toBeGreaterThan(0.035);
    expect(share(1.96)).toBeLessThan(0.065);
    expect(share(3.29)).toBeLessThan(0.0035);
  });
});

describe('whether time tells', () => {
  /** Of things that take what `busy` says, and one of them `planted` more; the machine gets slower all the time. */
  function tells(seed: number, planted: number, pairs: number): Promise<boolean> {
    const random = numbers(seed);
    const draw = busy(random);
    let clock = 0;
    const takes = (more: number) => (round: number): Promise<void> => {
      clock += draw() * (1 + round / 2000) + more;
      return Promise.resolve();
    };
    return timeTells({ one: takes(planted), other: takes(0), pairs, now: () => clock, random }).then((verdict) => verdict.tells);
  }
  const share = async (planted: number, pairs: number): Promise<number> => {
    const verdicts: boolean[] = [];
    for (let seed = 1; seed <= 60; seed++) verdicts.push(await tells(seed, planted, pairs));
    return verdicts.filter(Boolean).length / verdicts.length;
  };

  it('is no where there is no difference, though the machine gets slower', async () => {
    expect(await share(0, 300)).toBe(0);
  });

  it.each([1, -1])('is yes for %d ms more, with some hundreds of pairs', async (planted) => {
    expect(await share(planted, 300)).toBe(1);
  });

  it('is yes for what costs ten times as much, with a dozen pairs', async () => {
    expect(await share(30, 16)).toBeGreaterThan(0.99);
  });

  it('takes three tries to the same side for it, and ends with the first that says no', async () => {
    let clock = 0;
    const planted = (tries: readonly number[]) => timeTells({
      one: (round) => Promise.resolve((clock += 10 + (tries[Math.floor(round / 20)] ?? 0) + (round % 7))), other: (round) => Promise.resolve((clock += 10 + (round % 7))),
      pairs: 20, warmUp: 0, now: () => clock,
    });
    expect(await planted([9, 9, 9])).toMatchObject({ tells: true, tries: [{}, {}, {}] });
    expect(await planted([-9, -9, -9])).toMatchObject({ tells: true });
    expect(await planted([9, 9, 0])).toMatchObject({ tells: false, tries: [{}, {}, {}] });
    expect(await planted([9, -9, 9])).toMatchObject({ tells: false, tries: [{}, {}] });
    expect(await planted([0])).toMatchObject({ tells: false, tries: [{ z: 0, medians: [13, 13] }] });
  });

  it('asks both the same number of times, in an order that follows no pattern, and measures no warm-up', async () => {
    const asked: string[] = [];
    const { tries } = await timeTells({ one: (round) => Promise.resolve(asked.push(`one ${round}`)), other: (round) => Promise.resolve(asked.push(`other ${round}`)), pairs: 100, warmUp: 5, now: () => 0, random: numbers(7) });
    expect(tries).toHaveLength(1);
    expect(asked).toHaveLength(210);
    const firsts = asked.filter((_, i) => i % 2 === 0).map((text) => text.startsWith('one'));
    expect(firsts.filter(Boolean).length).toBeGreaterThan(35);
    expect(firsts.filter(Boolean).length).toBeLessThan(70);
    expect(asked.filter((text) => text.startsWith('one')).toSorted()).toEqual(asked.filter((text) => text.startsWith('other')).map((text) => text.replace('other', 'one')).toSorted());
  });
});
