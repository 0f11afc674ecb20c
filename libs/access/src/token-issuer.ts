import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import type { AccessEntry, OwnClaim } from './claims.js';
import type { Identity } from './identity-provider.js';
import type { SigningKeys } from './signing-keys.js';
import type { TokenNetworks } from './token-networks.js';
import { LEEWAY } from './token-verifier.js';

/** Characters of a token at most: heads of 16 KiB are what servers take, and a token is not all of one. */
const LONGEST_TOKEN = 12_000;

export interface TokenIssuerOptions {
  /** The claim `iss`: the public URL. */
  readonly issuer: string;
  /** The audience of this registry; tokens for others say nothing of what is behind a login. */
  readonly ownService: string;
  /** Seconds that clients may use a token for, 60 at least (wire-protocol 4.7). */
  readonly lifetime: number;
  readonly now?: () => number;
}

/** For whom, for which service and for what. */
export interface TokenContent {
  /** undefined for whoever did not log in. */
  readonly identity: Identity | undefined;
  readonly service: string;
  readonly access: readonly AccessEntry[];
  /** When the first of what it rests on ends: nobody takes it later than that. */
  readonly until?: Date;
  /** See OwnClaim. */
  readonly organisations?: Readonly<Record<string, number>>;
  /** Where it may be used from; undefined: anywhere. */
  readonly networks?: TokenNetworks | undefined;
}

export interface IssuedToken {
  readonly token: string;
  readonly id: string;
  /**
   * Seconds, 60 at least, because clients ask for no less; the token lives longer by the leeway, so that no client that believes it is refused
   * (wire-protocol 4.9), unless `until` comes before.
   */
  readonly expiresIn: number;
}

/** Seconds; some clients take a shorter life for a mistake. */
const LEAST_LIFE = 60;

/** Signs tokens (wire-protocol 4.9, RFC 7519). */
export class TokenIssuer {
  constructor(private readonly keys: Pick<SigningKeys, 'current'>, private readonly options: TokenIssuerOptions) {}

  /** @throws TokenTooLong */
  async issue({ identity, service, access, until, organisations, networks }: TokenContent): Promise<IssuedToken> {
    const { issuer, ownService, lifetime, now = Date.now } = this.options;
    const { kid, key } = this.keys.current();
    const [at, id] = [Math.floor(now() / 1000), randomUUID()];
    // whoever verifies takes it for the leeway longer, which is for clients that believe `expires_in` and not for what has ended
    const end = Math.min(at + lifetime + LEEWAY, until === undefined ? Infinity : Math.floor(until.getTime() / 1000) - LEEWAY);
    const own = { waybill: { ...ownClaim(identity), ...(organisations === undefined ? {} : { organisations }) }, ...(networks === undefined ? {} : { waybill_networks: networks }) };
    const token = await new SignJWT({ access, ...(service === ownService ? own : {}) })
      .setProtectedHeader({ typ: 'JWT', alg: 'ES256', kid })
      .setIssuer(issuer)
      .setSubject(identity?.login ?? '')
      .setAudience(service)
      .setIssuedAt(at)
      .setNotBefore(at)
      .setExpirationTime(end)
      .setJti(id)
      .sign(key);
    if (token.length > LONGEST_TOKEN) throw new TokenTooLong();
    return { token, id, expiresIn: Math.min(lifetime, Math.max(LEAST_LIFE, end - at)) };
  }
}

/** What was asked for is granted with so many rules that no header holds it. */
export class TokenTooLong extends Error {
  override readonly name = 'TokenTooLong';
}

/** The claim `waybill` of whoever it is. */
export function ownClaim(identity: Identity | undefined): OwnClaim {
  if (identity === undefined) return { principal: '', kind: 'anonymous', epoch: 0 };
  const { id, kind, epoch, credential } = identity;
  return { principal: id, kind, epoch, ...(credential === undefined ? {} : { credential }) };
}

/**
 * What a registry of somebody else may be told. It knows the actions alone: neither our rules about tags, so an action that some rule speaks of is not
 * granted at all, nor that moving a tag is an action of its own, so it may push only who may overwrite.
 */
export function forForeignRegistry(access: readonly AccessEntry[]): AccessEntry[] {
  return access.map(({ type, name, actions, rules = [] }) => {
    const ruled = new Set<string>(rules.flatMap((rule) => rule.actions));
    const plain = actions.filter((action) => !ruled.has(action));
    const known = plain.filter((action) => action !== 'overwrite' && (action !== 'push' || type !== 'repository' || plain.includes('overwrite')));
    return { type, name, actions: known };
  }).filter(({ actions }) => actions.length > 0);
}
