import { createHash, randomBytes } from 'node:crypto';
import { OciError } from '@waybill/oci';
import { networkOf } from '@waybill/platform';
import { FailureCounts } from './failure-counts.js';
import type { Pace } from './failure-counts.js';

export interface AttemptsOptions {
  /** Milliseconds of a clock that never goes backwards. */
  readonly now: () => number;
  readonly paces?: Partial<typeof PACES>;
}

/** How many failures may come at once, and how many per second after that. */
const PACES = {
  /** Of one account from one address. */
  pair: { burst: 10, perSecond: 1 / 10 },
  /** Of one address, whatever the account: an office behind one address has many people. */
  address: { burst: 50, perSecond: 1 / 2 },
  /** Of one account from addresses that failed at it within the hour before: those that guess. */
  account: { burst: 30, perSecond: 1 / 20 },
  /** Of one account from addresses that did not: its owner at a new place, or one of very many machines that guess. */
  fresh: { burst: 100, perSecond: 1 / 10 },
} satisfies Record<string, Pace>;

/** For how long a failure of an account from an address is remembered: it fades in an hour. */
const HOUR: Pace = { burst: 1, perSecond: 1 / 3600 };

/** Owners' addresses at most; whoever is forgotten is slowed like anybody else. Only right secrets get in here. */
const MAX_KNOWN = 20_000;

/**
 * Slows guessing down, by account and by address, in this process. A guess that fails counts for the account at that address, for the address and for the
 * account; whoever is beyond one of the paces gets 429 with the seconds to wait, before anything is hashed, whether there is such an account or not.
 *
 * Owners are not locked out. From an address where an account's secret was right before, only failures of that account from that address count: nobody
 * else can use them up, wherever they guess from. From a new address they share a pace with other addresses that did not fail lately, of which a
 * few machines that go on guessing leave most. What an owner of a generated secret needs is less still (`isGuessable`).
 *
 * Failures are counted in advance, so that attempts at the same time do not all get through. Memory is fixed, whatever comes: counts are kept by hashes of
 * what they are about, and fade with time by themselves.
 */
export class Attempts {
  private readonly counts = new FailureCounts();
  private readonly known = new Map<string, true>();
  private readonly key = randomBytes(16);
  private readonly now: () => number;
  private readonly paces: typeof PACES;

  constructor({ now, paces = {} }: AttemptsOptions) {
    this.now = now;
    this.paces = { ...PACES, ...paces };
  }

  /**
   * Runs an attempt to log in.
   * @param isGuessable whether the secret could be a person's choice: of one that has 190 random bits no number of guesses is worth slowing others for, and
   * only failures of that account from that address count
   * @param attempt undefined where it failed; where it throws, nothing is counted
   * @throws OciError TOOMANYREQUESTS (429 with Retry-After); what `attempt` throws
   */
  async run<T>(login: string, address: string, isGuessable: boolean, attempt: () => Promise<T | undefined>): Promise<T | undefined> {
    const from = networkOf(address);
    const pair = this.name('pair', login, from);
    const limits = [[pair, this.paces.pair] as const, ...(isGuessable && !this.known.has(pair) ? this.sharedLimits(login, from) : [])];
    const now = this.now();
    const wait = Math.max(...limits.map(([name, pace]) => this.counts.wait(name, pace, now)));
    if (wait > 0) throw tooManyAttempts(wait);
    for (const [name, pace] of limits) this.counts.add(name, 1, pace, now);
    let answer: T | undefined;
    let isFailure = false;
    try {
      answer = await attempt();
      isFailure = answer === undefined;
    } finally {
      if (isFailure) this.counts.set(this.name('failed', login, from), 1, this.now());
      else for (const [name, pace] of limits) this.counts.add(name, -1, pace, this.now());
    }
    if (!isFailure) this.remember(pair);
    return answer;
  }

  private sharedLimits(login: string, from: string): (readonly [string, Pace])[] {
    const hasFailed = this.counts.level(this.name('failed', login, from), HOUR, this.now()) > 0;
    return [[this.name('address', from), this.paces.address], hasFailed ? [this.name('account', login), this.paces.account] : [this.name('fresh', login), this.paces.fresh]];
  }

  private remember(pair: string): void {
    this.counts.set(pair, 0, this.now());
    this.known.delete(pair);
    this.known.set(pair, true);
    if (this.known.size <= MAX_KNOWN) return;
    const [oldest] = this.known.keys();
    if (oldest !== undefined) this.known.delete(oldest);
  }

  /** With a key of this process, so that nobody can choose logins that share a count with somebody else's. */
  private name(...parts: string[]): string {
    return createHash('sha256').update(this.key).update(JSON.stringify(parts)).digest('base64');
  }
}

function tooManyAttempts(seconds: number): OciError {
  return new OciError('TOOMANYREQUESTS', 'too many attempts to log in failed; wait before the next one', { headers: { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) } });
}
