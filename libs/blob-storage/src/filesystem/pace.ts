/** Weight of one call in the running mean, and the most that one call counts, in milliseconds. */
const WEIGHT = 1 / 16;
const MOST_MS = 8;
/** A running mean from which on the disk counts as slow, and for how long. */
const SLOW_MS = 1;
const PENALTY_MS = 2000;

/**
 * Whether short calls (open, one read or write of up to 64 KiB) may be made on the event loop. They cost 7.5 against 12.5 us of CPU for
 * a read of 10 KiB, and 50 against 62 us for a new file of 4 KiB, as long as the page cache answers, and spare a busy machine the
 * change of threads. Where calls take a millisecond on average (a cold disk brings that about in three of them) they go to libuv's
 * threads for PENALTY_MS. A single slow call proves nothing: on a busy machine the process itself has to wait for a core.
 */
export class Pace {
  private mean = 0;
  private slowUntil = 0;

  constructor(private readonly now: () => number = () => performance.now()) {}

  get quick(): boolean {
    return this.now() >= this.slowUntil;
  }

  /** Makes a short call on the loop and remembers how long it took. */
  measure<T>(call: () => T): T {
    const begin = this.now();
    try {
      return call();
    } finally {
      this.note(begin, this.now());
    }
  }

  private note(begin: number, end: number): void {
    this.mean += (Math.min(end - begin, MOST_MS) - this.mean) * WEIGHT;
    if (this.mean < SLOW_MS) return;
    this.slowUntil = end + PENALTY_MS;
    this.mean = 0;
  }
}
