/** Two things that must not be told apart by the time that they take. Each is asked for many times; `round` counts from 0, warm-up included. */
export interface TimedPair {
  readonly one: (round: number) => Promise<unknown>;
  readonly other: (round: number) => Promise<unknown>;
  /** Pairs of measurements in one try. */
  readonly pairs: number;
  /** Pairs before the first try that are not measured. */
  readonly warmUp?: number;
  /** Milliseconds of a clock that never goes backwards. */
  readonly now?: () => number;
  /** From 0 to 1, as Math.random. */
  readonly random?: () => number;
}

/** One try. */
export interface TimedTry {
  /** How far the ranks are apart, in standard deviations: positive where `one` takes longer. */
  readonly z: number;
  /** Milliseconds, of `one` and `other`. */
  readonly medians: readonly [number, number];
}

export interface TimeVerdict {
  /** Whether every try said the same, with a certainty that no chance gives three times in a row. */
  readonly tells: boolean;
  readonly tries: readonly TimedTry[];
}

/** Standard deviations beyond which one try is suspicious: in one of a thousand where there is no difference, and in one of billions three times to the same side. */
const SUSPICIOUS = 3.29;
const TRIES = 3;

/**
 * Whether time tells two things apart, by the ranks of the measurements (Mann-Whitney): what a busy machine adds to some of them moves no rank far. Pairs
 * follow each other, the first of each by chance, so that whatever changes meanwhile is in both. The first try that is not suspicious ends it.
 */
export async function timeTells(pair: TimedPair): Promise<TimeVerdict> {
  const { pairs, warmUp = Math.ceil(pairs / 10) } = pair;
  await measure(pair, 0, warmUp);
  const tries: TimedTry[] = [];
  while (tries.length < TRIES) {
    const [one, other] = await measure(pair, warmUp + tries.length * pairs, pairs);
    tries.push({ z: rankDifference(one, other), medians: [median(one), median(other)] });
    const sides = new Set(tries.map(({ z }) => (Math.abs(z) <= SUSPICIOUS ? 0 : Math.sign(z))));
    if (sides.has(0) || sides.size > 1) return { tells: false, tries };
  }
  return { tells: true, tries };
}

async function measure({ one, other, now = () => performance.now(), random = Math.random }: TimedPair, from: number, pairs: number): Promise<readonly [number[], number[]]> {
  const times: readonly [number[], number[]] = [[], []];
  const timed = async (which: 0 | 1, round: number): Promise<void> => {
    const began = now();
    await (which === 0 ? one : other)(round);
    times[which].push(now() - began);
  };
  for (let round = from; round < from + pairs; round++) {
    const first = random() < 0.5 ? 0 : 1;
    await timed(first, round);
    await timed(first === 0 ? 1 : 0, round);
  }
  return times;
}

/**
 * The statistic of Mann and Whitney as standard deviations from what no difference gives, with the correction for ties: positive where the first are larger.
 * The normal approximation is good from some ten of each.
 */
export function rankDifference(one: readonly number[], other: readonly number[]): number {
  const all = [...one.map((value) => ({ value, own: true })), ...other.map((value) => ({ value, own: false }))].toSorted((a, b) => a.value - b.value);
  const [n, m, total] = [one.length, other.length, all.length];
  let [rankSum, ties] = [0, 0];
  for (let start = 0; start < total;) {
    let end = start;
    while (end < total && all[end]?.value === all[start]?.value) end++;
    // ranks count from 1, and equal values share the middle of theirs
    rankSum += all.slice(start, end).filter(({ own }) => own).length * ((start + 1 + end) / 2);
    ties += (end - start) ** 3 - (end - start);
    start = end;
  }
  const variance = ((n * m) / 12) * (total + 1 - ties / (total * (total - 1)));
  return variance > 0 ? (rankSum - (n * (n + 1)) / 2 - (n * m) / 2) / Math.sqrt(variance) : 0;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
