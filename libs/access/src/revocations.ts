import type { OwnClaim } from './claims.js';

/** What was taken back since tokens that are still alive were issued; followed through the log, so that it reaches every process within seconds. */
export abstract class Revocations {
  /** Whether a token must not be used any more: its principal or an organisation of it has a later epoch, or its credential was revoked. */
  abstract isRevoked(claim: OwnClaim): boolean;
  /** Seconds since this process last knew everything. Beyond 30 no token can be checked, and whoever asks gets 503. */
  abstract age(): number;
  abstract start(): Promise<void>;
  abstract stop(): Promise<void>;
}

/** Where nothing is ever taken back: the tokens of somebody else live until they expire. */
export class NoRevocations extends Revocations {
  isRevoked(): boolean {
    return false;
  }

  age(): number {
    return 0;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
