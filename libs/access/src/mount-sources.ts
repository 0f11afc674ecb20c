import type { RepositoryName } from '@waybill/oci';
import { Recent } from './recent.js';
import type { VerifiedToken } from './token-verifier.js';

/**
 * Whether a client whose token says nothing of a mount's source should get another token (401), because that one would let it read there; else the mount
 * becomes an upload (202). The answer must not tell anybody more than its token server would (wire-protocol 4.6).
 */
export type AskAgain = (token: VerifiedToken, from: RepositoryName) => boolean | Promise<boolean>;

const REMEMBERED = 4096;
/** By which the clock of the token server may be behind ours, in milliseconds. */
const SKEW = 5_000;

/**
 * For token servers that we cannot ask about rights: a client is sent there once for each source. A token that was made after that, or that mentions the
 * source, is the answer: who asks again for the same thing in vain would be sent around for ever.
 */
export class AskOnce {
  private readonly asked = new Recent<number>(REMEMBERED);

  constructor(private readonly now: () => number = Date.now) {}

  readonly askAgain: AskAgain = ({ claims, rights }, from) => {
    if (rights.mentions(from)) return false;
    const key = `${claims.sub} ${from}`;
    const at = this.asked.get(key);
    if (at !== undefined && (claims.iat ?? claims.nbf ?? Infinity) * 1000 >= at - SKEW) return false;
    this.asked.set(key, this.now());
    return true;
  };
}
