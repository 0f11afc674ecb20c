import { formatScopes } from '@waybill/oci';
import type { Scope } from '@waybill/oci';
import type { AccessEntry } from './claims.js';
import type { CertifiedLogin } from './certificate-logins.js';
import type { Identity, IdentityProvider } from './identity-provider.js';
import type { FindIdentity } from './local/principals.js';
import type { RefreshTokenTable } from './refresh-token-table.js';
import { forForeignRegistry, TokenTooLong } from './token-issuer.js';
import type { TokenIssuer } from './token-issuer.js';
import { tokenNetworks } from './token-networks.js';
import type { NetworkConditions, TokenNetworks } from './token-networks.js';
import { TokenRefused } from './token-refused.js';
import type { TokenRequest } from './token-request.js';

/** How somebody was let in. */
export type TokenCause = 'anonymous' | 'password' | 'refresh_token' | 'certificate';

/** A token that was given out: what an audit says of it. */
export interface TokenIssued {
  readonly id: string;
  readonly cause: TokenCause;
  readonly identity: Identity | undefined;
  readonly service: string;
  readonly access: readonly AccessEntry[];
  readonly address: string;
}

/** What somebody may do of what was asked for: the intersection (wire-protocol 4.5), when the first right of it ends, and how the organisations stood. */
export interface Granted {
  readonly access: readonly AccessEntry[];
  readonly until?: Date;
  /** See OwnClaim. */
  readonly organisations?: Readonly<Record<string, number>>;
  /** Where the rights count. */
  readonly conditions?: NetworkConditions;
}

/** Costs at most one look at the grants, whatever exists. @throws DependencyUnavailable */
export type Granting = (identity: Identity | undefined, scopes: readonly Scope[], address: string) => Promise<Granted>;

export interface TokenServiceOptions {
  readonly issuer: TokenIssuer;
  readonly identities: IdentityProvider;
  readonly refreshTokens: Pick<RefreshTokenTable, 'issue' | 'redeem'>;
  readonly granting: Granting;
  /** Who of a login may come in whose certificate names it; without it certificates name nobody. */
  readonly find?: FindIdentity;
  /** This registry's own service first, then those of others that trust our tokens. */
  readonly services: readonly [string, ...string[]];
  readonly issued: (token: TokenIssued) => void;
}

/** The members of an answer (wire-protocol 4.7 and 4.8). Without `issued_at`: clients then count from their own clock, and a wrong one does no harm. */
export type TokenAnswer = Readonly<Record<string, string | number>>;

/**
 * Decides what a request for a token gets. What does not exist and what the caller may not see are the same here: nothing in this class knows whether a
 * repository exists.
 */
export class TokenService {
  constructor(private readonly options: TokenServiceOptions) {}

  /**
   * @param certified whom the client's certificate names; it counts where the request has no credentials
   * @throws TokenRefused; OciError TOOMANYREQUESTS; DependencyUnavailable
   */
  async answer(request: TokenRequest, address: string, certified?: CertifiedLogin): Promise<TokenAnswer> {
    const { issuer, services: [own, ...others], issued } = this.options;
    const service = request.service ?? own;
    if (service !== own && !others.includes(service)) throw new TokenRefused('invalid_request', 'this server gives out no tokens for that service: the challenge of the registry names the right one');
    const cause = causeOf(request, certified);
    const identity = cause === 'certificate' ? await this.identifyCertified(certified, address) : await this.identify(request, service, address);
    const granted = await this.options.granting(identity, request.scopes, address);
    const access = service === own ? granted.access : forForeignRegistry(granted.access);
    const ending = endingWith(granted, identity, cause === 'certificate' ? certified : undefined);
    const { token, id, expiresIn } = await issuer.issue({ ...granted, ...ending, identity, service, access, networks: usableFrom(granted, identity, address) }).catch((error: unknown) => {
      throw error instanceof TokenTooLong ? new TokenRefused('invalid_scope', 'what you may do there takes a longer token than a header holds: ask for fewer scopes at a time') : error;
    });
    // one for a certificate would go on when the certificate has ended
    const refresh = cause === 'certificate' ? undefined : await this.refreshToken(request, identity, service);
    issued({ id, cause, identity, service, access, address });
    return {
      ...(request.form === 'GET' ? { token } : { token_type: 'Bearer', scope: formatScopes(access.filter(isScope).map(forClients)) }),
      access_token: token,
      expires_in: expiresIn,
      ...(refresh === undefined ? {} : { refresh_token: refresh }),
    };
  }

  private async identify({ credentials }: TokenRequest, service: string, address: string): Promise<Identity | undefined> {
    if (credentials.kind === 'none') return undefined;
    const identity = credentials.kind === 'password'
      ? await this.options.identities.identify({ login: credentials.login, secret: credentials.secret, address })
      : await this.options.refreshTokens.redeem(credentials.token, service, address);
    if (identity !== undefined) return identity;
    throw new TokenRefused('invalid_grant', credentials.kind === 'password' ? 'the login or the password is wrong' : 'the refresh token is not valid any more: log in again', { 'WWW-Authenticate': `Basic realm="${this.options.services[0]}"` });
  }

  private async identifyCertified(certified: CertifiedLogin | undefined, address: string): Promise<Identity | undefined> {
    const identity = certified === undefined ? undefined : await this.options.find?.(certified.login, address);
    if (identity !== undefined) return identity;
    throw new TokenRefused('invalid_grant', 'nobody may log in by this certificate', { 'WWW-Authenticate': `Basic realm="${this.options.services[0]}"` });
  }

  /** The same one on refresh, so that clients that keep the first one and clients that keep the last both go on. */
  private async refreshToken({ credentials, offline }: TokenRequest, identity: Identity | undefined, service: string): Promise<string | undefined> {
    if (!offline || identity === undefined) return undefined;
    return credentials.kind === 'refresh' ? credentials.token : this.options.refreshTokens.issue({ identity, service });
  }
}

function causeOf({ credentials }: TokenRequest, certified: CertifiedLogin | undefined): TokenCause {
  if (credentials.kind === 'none') return certified === undefined ? 'anonymous' : 'certificate';
  return credentials.kind === 'refresh' ? 'refresh_token' : 'password';
}

/** No token lives longer than what it was given for. */
function endingWith({ until }: Granted, identity: Identity | undefined, certified: CertifiedLogin | undefined): Pick<Granted, 'until'> {
  const ends = [until, identity?.until, certified?.expires].filter((end) => end !== undefined);
  return ends.length === 0 ? {} : { until: new Date(Math.min(...ends.map(Number))) };
}

/** A token counts where everything does that it was given for. */
function usableFrom({ conditions }: Granted, identity: Identity | undefined, address: string): TokenNetworks | undefined {
  const within = identity?.networks === undefined ? [] : [identity.networks];
  return tokenNetworks({ within: [...within, ...(conditions?.within ?? [])], outside: conditions?.outside ?? [] }, address);
}

/** No client knows of `overwrite`, which comes along with `push`. */
function forClients({ type, name, actions }: Scope): Scope {
  return { type, name, actions: actions.filter((action) => action !== 'overwrite') };
}

function isScope(entry: AccessEntry): entry is AccessEntry & Scope {
  return entry.type === 'repository' || entry.type === 'registry';
}
