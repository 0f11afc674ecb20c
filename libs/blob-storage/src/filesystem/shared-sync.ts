/**
 * One directory whose fsync is shared: `flush` resolves after an fsync that began after the call. A running one does not count, since
 * the caller's file name may have been made after it began; but all who call while it runs share the single next one.
 */
export class SharedSync {
  private running: Promise<void> | undefined;
  private next: Promise<void> | undefined;

  /** @param sync one fsync of the directory */
  constructor(private readonly sync: () => Promise<void>) {}

  flush(): Promise<void> {
    if (this.next) return this.next;
    if (!this.running) return this.begin();
    const begin = (): Promise<void> => {
      this.next = undefined;
      return this.begin();
    };
    // A failure of the running one is its own callers' business.
    this.next = this.running.then(begin, begin);
    return this.next;
  }

  private begin(): Promise<void> {
    const running = this.sync().finally(() => {
      if (this.running === running) this.running = undefined;
    });
    this.running = running;
    return running;
  }
}
