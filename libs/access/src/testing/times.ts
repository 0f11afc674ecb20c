/** Rounds at least and at most. On a machine with other work most measurements are too long, none is too short. */
const [LEAST, MOST] = [6, 80];

/**
 * How much longer one thing takes than another, by the shortest time of each. Measures until the answer is between 0.7 and 1.4, or for so many rounds
 * that it is no chance.
 */
export async function timeRatio(one: (round: number) => Promise<unknown>, other: (round: number) => Promise<unknown>): Promise<number> {
  const shortest = [Infinity, Infinity] as [number, number];
  for (let round = 0; round < MOST; round++) {
    shortest[0] = Math.min(shortest[0], await milliseconds(() => one(round)));
    shortest[1] = Math.min(shortest[1], await milliseconds(() => other(round)));
    const ratio = shortest[0] / shortest[1];
    if (round >= LEAST && ratio > 0.7 && ratio < 1.4) break;
  }
  return shortest[0] / shortest[1];
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
