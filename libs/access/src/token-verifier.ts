import { hash } from 'node:crypto';
import { parseStrictJson } from '@waybill/oci';
import { errors, jwtVerify } from 'jose';
import type { JWTHeaderParameters } from 'jose';
import { claimsSchema } from './claims.js';
import type { Claims } from './claims.js';
import type { KeySet, VerificationKey } from './key-set.js';
import { Recent } from './recent.js';
import { UsableFrom } from './token-networks.js';
import type { TokenNetworks } from './token-networks.js';
import { TokenRights } from './token-rights.js';

/** A token that must not be used; the message says why and is fit for its bearer. Nothing of the token is in it. */
export class InvalidToken extends Error {
  override readonly name = 'InvalidToken';
}

/** A token whose signature, issuer, audience and times are right. */
export interface VerifiedToken {
  readonly claims: Claims;
  readonly rights: TokenRights;
  /** Where it may be used from; undefined: anywhere. Whoever takes the token has to look. */
  readonly from?: UsableFrom;
}

export interface TokenVerifierOptions {
  /** What `iss` has to be, to the letter. */
  readonly issuer: string;
  /** What `aud` has to be or to contain. */
  readonly audience: string;
  readonly keys: KeySet;
  /** Whether the issuer is our own service: of others, rules and the claims `waybill` and `waybill_networks` mean nothing. */
  readonly own: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** By which clocks may differ, in seconds (wire-protocol 4.9). */
export const LEEWAY = 60;
/** Characters of a token. Whoever allows longer headers does not allow longer tokens. */
export const MAX_TOKEN_LENGTH = 16 * 1024;
/** Tokens whose check is remembered. Everybody can get an anonymous token, so this also bounds what strangers make us hold. */
const REMEMBERED = 4096;
/** Sets of networks that are kept for the tokens that have the same. */
const REMEMBERED_NETWORKS = 512;
/** Never one that is symmetric: a public key is known to everybody. */
const ALGORITHMS = ['ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA'];
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

interface Remembered extends VerifiedToken {
  readonly kid: string | undefined;
  readonly key: VerificationKey;
}

/**
 * Checks tokens by keys that are in memory, without asking anybody (wire-protocol 4.9). What was found right is remembered under the SHA-256 of the token:
 * never the token itself, and never anything about a token that was refused. Whether it has expired, and whether its key is still one of the issuer's,
 * is looked at each time.
 */
export class TokenVerifier {
  private readonly remembered = new Recent<Remembered>(REMEMBERED);
  private readonly networks = new Recent<UsableFrom>(REMEMBERED_NETWORKS);
  private readonly now: () => number;

  constructor(private readonly options: TokenVerifierOptions) {
    this.now = options.now ?? Date.now;
  }

  /** At once where the token is known. @throws InvalidToken */
  verify(token: string): VerifiedToken | Promise<VerifiedToken> {
    if (token.length > MAX_TOKEN_LENGTH) throw new InvalidToken(`the token has more than ${MAX_TOKEN_LENGTH} characters: ask for fewer scopes`);
    const name = hash('sha256', token, 'base64');
    const known = this.remembered.get(name);
    if (known !== undefined) {
      if (this.isOurs(known)) {
        if (known.claims.exp + LEEWAY <= this.now() / 1000) throw new InvalidToken('the token has expired');
        return known;
      }
      this.remembered.delete(name);
    }
    return this.check(token).then((found) => {
      this.remembered.set(name, found);
      return found;
    });
  }

  private async check(token: string): Promise<Remembered> {
    refuseAmbiguity(token);
    let used: { readonly kid: string | undefined; readonly key: VerificationKey } | undefined;
    const choose = (header: JWTHeaderParameters): VerificationKey['key'] => {
      used = { kid: header.kid, key: this.keyFor(header) };
      return used.key.key;
    };
    const { payload } = await jwtVerify(token, choose, {
      algorithms: ALGORITHMS,
      issuer: this.options.issuer,
      audience: this.options.audience,
      clockTolerance: LEEWAY,
      currentDate: new Date(this.now()),
      requiredClaims: ['exp'],
    }).catch((error: unknown) => {
      throw refusal(error);
    });
    // what another server calls `waybill` is no principal of ours, and without it there is no way to take a token of ours back
    const claims = claimsSchema.safeParse(this.options.own ? payload : { ...payload, waybill: undefined, waybill_networks: undefined });
    if (!claims.success || used === undefined || (this.options.own && claims.data.waybill === undefined)) throw new InvalidToken('the claims of the token are not of the right form');
    const { access, waybill_networks: networks } = claims.data;
    return { ...used, claims: claims.data, rights: new TokenRights(access, this.options.own), ...(networks === undefined ? {} : { from: this.usableFrom(networks) }) };
  }

  /** Tokens of one organisation mostly have the same networks: they are read once. */
  private usableFrom(networks: TokenNetworks): UsableFrom {
    const name = JSON.stringify(networks);
    const known = this.networks.get(name) ?? new UsableFrom(networks);
    this.networks.set(name, known);
    return known;
  }

  /** By `kid` among the keys of the issuer, and for its own algorithm only. What a token says about keys itself (`jwk`, `jku`, `x5u`, `x5c`) is not looked at. */
  private keyFor(header: JWTHeaderParameters): VerificationKey {
    if ('crit' in header) throw new InvalidToken('the token has a header that must be understood, and no such header is');
    if (header.typ !== undefined && String(header.typ).toUpperCase() !== 'JWT') throw new InvalidToken('the token is of another type than JWT');
    const key = this.find(header.kid);
    if (key === undefined) throw new InvalidToken('the token is signed with a key that is not one of its issuer');
    if (key.alg !== header.alg) throw new InvalidToken('the token is signed in another way than its key is for');
    return key;
  }

  private find(kid: unknown): VerificationKey | undefined {
    if (kid === undefined) return this.options.keys.only();
    return typeof kid === 'string' && kid.length <= 256 ? this.options.keys.find(kid) : undefined;
  }

  private isOurs({ kid, key }: Remembered): boolean {
    const now = this.find(kid);
    return now !== undefined && (now === key || now.key.equals(key.key));
  }
}

/** A token that two readers could understand differently: other characters than base64url has, or a key twice in one object. */
function refuseAmbiguity(token: string): void {
  if (!COMPACT.test(token)) throw new InvalidToken('the token is not a JWT');
  const [header = '', payload = ''] = token.split('.');
  try {
    for (const part of [header, payload]) parseStrictJson(Buffer.from(part, 'base64url'));
  } catch {
    throw new InvalidToken('the token is not a JWT, or has a claim twice');
  }
}

function refusal(error: unknown): InvalidToken {
  if (error instanceof InvalidToken) return error;
  if (error instanceof errors.JWTExpired) return new InvalidToken('the token has expired', { cause: error });
  if (error instanceof errors.JWTClaimValidationFailed) return new InvalidToken(claimFault(error.claim), { cause: error });
  return new InvalidToken('the token is not signed by its issuer', { cause: error });
}

function claimFault(claim: string): string {
  switch (claim) {
    case 'nbf': return 'the token is not valid yet';
    case 'iss': return 'the token is of another issuer';
    case 'aud': return 'the token is for another service';
    default: return 'the claims of the token are not of the right form';
  }
}
