const FAILURES = 5;
const FAILING_MS = 3_000;
const TRY_EVERY_MS = 1_000;
/** What was learnt longer ago says nothing of now. */
const STALE_MS = 10_000;

/** S3 has not answered for a while, so nothing was sent: a caller that waits for it would only wait in vain. */
export class S3Away extends Error {
  override readonly name = 'S3Away';

  constructor(failures: number) {
    super(`S3 has answered none of the last ${failures} calls; it is tried again once a second, and used again with its first answer`);
  }
}

/**
 * Knows whether S3 answers at all. Without it each request to a registry whose S3 hangs would wait for its whole deadline, with a part of an upload in
 * memory and a connection of its client, until the process has nothing else; with it they are told at once. An answer of any kind, a 500 too, counts:
 * a server that answers is quick to ask again. Some seconds have to pass first, so that a restart of S3 is hidden by retries and not told to anybody.
 */
export class Breaker {
  private failures = 0;
  private failingSince = 0;
  private failedAt = 0;
  private triedAt = Number.NEGATIVE_INFINITY;

  /** `now` in milliseconds, of a clock that never jumps. */
  constructor(private readonly now = (): number => performance.now()) {}

  /** Whether calls are refused but for one a second. */
  get open(): boolean {
    const now = this.now();
    return this.failures >= FAILURES && now - this.failingSince >= FAILING_MS && now - this.failedAt < STALE_MS;
  }

  /** Whether the last call got no answer. */
  get failing(): boolean {
    return this.failures > 0;
  }

  answered(): void {
    this.failures = 0;
  }

  unanswered(): void {
    this.failedAt = this.now();
    if (this.failures++ === 0) this.failingSince = this.failedAt;
  }

  /** Asked before the first try of a call. @throws S3Away */
  enter(): void {
    if (!this.open) return;
    if (this.now() - this.triedAt < TRY_EVERY_MS) throw new S3Away(this.failures);
    this.triedAt = this.now();
  }
}
