import { requiredScopes } from '@waybill/oci';
import type { OciRequest, Scope } from '@waybill/oci';
import type { AccessEntry } from './claims.js';
import type { FindIdentity } from './local/principals.js';
import { Recent } from './recent.js';
import { ownClaim } from './token-issuer.js';
import type { Granting } from './token-service.js';
import type { VerifiedToken } from './token-verifier.js';
import { TokenRights } from './token-rights.js';

export interface LookedUpRightsOptions {
  readonly find: FindIdentity;
  readonly granting: Granting;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Milliseconds for which what was found counts, unless some of it ends before: what was given or taken is known within that, whatever else tells of it. */
const HELD_MS = 3_000;
const REMEMBERED = 4_096;

interface Held {
  until: number;
  readonly found: Promise<VerifiedToken | undefined>;
}

/**
 * What somebody may do who brings no token and is known all the same: what a token for the repository of the request would say, as the grants are. One look
 * serves the requests of three seconds, so that a pull of many layers asks the database once. The claim `waybill` is that of a token, and is to be held
 * against the revocations as one.
 */
export class LookedUpRights {
  private readonly held = new Recent<Held>(REMEMBERED);
  private readonly now: () => number;

  constructor(private readonly options: LookedUpRightsOptions) {
    this.now = options.now ?? Date.now;
  }

  /** undefined where the login is nobody's, and where they may not come from there. @throws DependencyUnavailable */
  of(login: string, request: OciRequest, address: string): Promise<VerifiedToken | undefined> {
    const scopes = requiredScopes(request).map(({ type, name }): Scope => ({ type, name, actions: ['*'] }));
    const key = JSON.stringify([login, address, ...scopes.map(({ type, name }) => `${type}:${name}`)]);
    const known = this.held.get(key);
    if (known !== undefined && known.until > this.now()) return known.found;
    const found = this.look(login, scopes, address);
    const held: Held = { until: this.now() + HELD_MS, found };
    this.held.set(key, held);
    // a database that was away is asked again
    found.then((rights) => (held.until = Math.min(held.until, (rights?.claims.exp ?? Infinity) * 1000)), () => this.held.delete(key));
    return found;
  }

  private async look(login: string, scopes: readonly Scope[], address: string): Promise<VerifiedToken | undefined> {
    const identity = await this.options.find(login, address);
    if (identity === undefined) return undefined;
    const { access, organisations, until } = await this.options.granting(identity, scopes, address);
    const ends = [identity.until, until].flatMap((end) => (end === undefined ? [] : [end.getTime()]));
    const exp = Math.min(this.now() + HELD_MS, ...ends) / 1000;
    const claims = { iss: '', sub: identity.login, aud: '', exp, access: [...access], waybill: { ...ownClaim(identity), ...(organisations === undefined ? {} : { organisations: { ...organisations } }) } };
    return { claims, rights: new TokenRights([...access, ...scopes.map(mentioned)], true) };
  }
}

/** What was asked for and not granted is no reason to ask for it again. */
function mentioned({ type, name }: Scope): AccessEntry {
  return { type, name, actions: [] };
}
