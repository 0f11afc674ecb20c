/** How often something may happen, for each key by itself. */
export interface Rate {
  /** In the long run. */
  readonly perSecond: number;
  /** At once, after a while without any; at least 1. */
  readonly burst: number;
}

/** Keys that are told apart at a time, some 100 bytes each. */
const KEYS = 50_000;

/**
 * A limit for each of any number of keys (GCRA: a bucket that leaks, kept as the one time at which it is empty again).
 *
 * A key that has not been seen for as long as a whole burst takes to come back is as good as new, so two generations of keys that change places
 * after that time forget nothing that counts, without a timer. Whoever sends from ever new keys cannot make it grow: beyond the last one that is told apart
 * all further keys of a generation share one bucket.
 */
export class RateLimit {
  private readonly spacing: number;
  private readonly patience: number;
  private young = new Map<string, number>();
  private old: ReadonlyMap<string, number> = new Map();
  private turnAt = Number.NEGATIVE_INFINITY;

  constructor({ perSecond, burst }: Rate, private readonly keys = KEYS) {
    this.spacing = 1000 / perSecond;
    this.patience = this.spacing * burst;
  }

  /**
   * Counts one, unless it is too many. @param now milliseconds of a clock that never goes back
   * @returns 0 where it may happen, else the milliseconds after which it may
   */
  take(key: string, now: number): number {
    this.turn(now);
    const known = this.young.get(key) ?? this.old.get(key);
    const name = known === undefined && this.young.size >= this.keys ? OTHERS : key;
    const emptyAt = Math.max(now, (name === key ? known : this.young.get(name) ?? this.old.get(name)) ?? now) + this.spacing;
    const early = emptyAt - now - this.patience;
    // a millionth of the spacing is rounding
    if (early > this.spacing / 1e6) return early;
    this.young.set(name, emptyAt);
    return 0;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  private turn(now: number): void {
    if (now < this.turnAt) return;
    this.old = now < this.turnAt + this.patience ? this.young : new Map();
    this.young = new Map();
    this.turnAt = now + this.patience;
  }
}

/** No key of a caller's: addresses and principals have no U+0000. */
const OTHERS = '\0';
