const SLOW_MS = 5;
const PENALTY_MS = 10_000;

/**
 * Whether short calls (open, one read or write of up to 64 KiB) may be made on the event loop. They cost 7.5 against 12.5 us of CPU for
 * a read of 10 KiB, and 50 against 62 us for a new file of 4 KiB, as long as the page cache answers. A disk that makes one of them wait
 * for SLOW_MS loses the privilege for PENALTY_MS, so that a cold or slow disk holds up the loop by one call in that time.
 */
export class Pace {
  private slowUntil = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  get quick(): boolean {
    return this.now() >= this.slowUntil;
  }

  /** Makes a short call on the loop and remembers when it was slow. */
  measure<T>(call: () => T): T {
    const begin = this.now();
    try {
      return call();
    } finally {
      const end = this.now();
      if (end - begin >= SLOW_MS) this.slowUntil = end + PENALTY_MS;
    }
  }
}
