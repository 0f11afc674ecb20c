/** The middle value, or the mean of the two middle ones. NaN for no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const high = sorted[sorted.length >> 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : (high + (sorted[(sorted.length >> 1) - 1] ?? Number.NaN)) / 2;
}

/** The nearest-rank percentile, `p` in (0, 100]. NaN for no values. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

/** Half the range of the values as a part of their median: 0.1 reads "plus or minus 10 %". 0 for fewer than two values. */
export function spread(values: readonly number[]): number {
  return values.length < 2 ? 0 : (Math.max(...values) - Math.min(...values)) / 2 / median(values);
}

/** Growth from one value to the next: the median over all pairs, which single outliers do not move. NaN for fewer than two values. */
export function slope(values: readonly number[]): number {
  return median(values.flatMap((value, at) => values.slice(at + 1).map((later, distance) => (later - value) / (distance + 1))));
}
