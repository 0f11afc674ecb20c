import { OciError } from '@waybill/oci';

/**
 * Lets a few pieces of work run at once and a bounded number wait. Hashing a password takes a core and, with argon2id, megabytes: whoever sends many
 * attempts must get neither all of them nor a queue without an end.
 */
export class Turns {
  private running = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly atOnce: number, private readonly mayWait: number) {}

  /** Runs `work` when it is its turn. @throws OciError TOOMANYREQUESTS (429) when as many wait as may; nothing was started then */
  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.atOnce) this.running += 1;
    else await this.wait();
    try {
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.running -= 1;
      else next();                                     // hands its turn on, so that nobody who comes now is first
    }
  }

  private wait(): Promise<void> {
    if (this.queue.length >= this.mayWait) {
      throw new OciError('TOOMANYREQUESTS', 'too many logins are being checked at the moment; repeat the request', { headers: { 'Retry-After': '1' } });
    }
    return new Promise((resolve) => { this.queue.push(resolve); });
  }
}
