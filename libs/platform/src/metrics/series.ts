/** How often, by one label. Counting costs some tens of nanoseconds. */
export class Counts {
  readonly values = new Map<string, number>();

  add(label: string, by = 1): void {
    this.values.set(label, (this.values.get(label) ?? 0) + by);
  }
}

/** How long, as a histogram; summed up only when it is scraped. */
export class Times {
  /** What fell into each bucket, the last beyond all bounds. */
  readonly buckets: Float64Array;
  seconds = 0;

  /** @param bounds in seconds, ascending */
  constructor(private readonly bounds: readonly number[]) {
    this.buckets = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number): void {
    let bucket = 0;
    for (const bound of this.bounds) {
      if (seconds <= bound) break;
      bucket++;
    }
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.seconds += seconds;
  }
}

/** How long, by one label. */
export class Histogram {
  readonly values = new Map<string, Times>();

  constructor(readonly bounds: readonly number[]) {}

  observe(label: string, seconds: number): void {
    let times = this.values.get(label);
    if (times === undefined) this.values.set(label, (times = new Times(this.bounds)));
    times.observe(seconds);
  }
}
