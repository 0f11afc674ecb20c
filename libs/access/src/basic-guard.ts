import { denied, unauthorized } from '@waybill/oci';
import type { OciRequest } from '@waybill/oci';
import type { Exchange, Guard, TrustedProxies } from '@waybill/platform';
import type { Actors } from './actors.js';
import { authorizationOf } from './authorization.js';
import { BASIC_CHALLENGE } from './challenge.js';
import type { CertificateLogins } from './certificate-logins.js';
import type { Identity, IdentityProvider } from './identity-provider.js';
import type { LookedUpRights } from './looked-up-rights.js';
import { judgeRequest } from './request-rights.js';
import type { FindIdentity } from './local/principals.js';
import { appendsEvents } from './written-events.js';

export interface BasicGuardOptions {
  /** Asked at each request: it has to know a secret again without checking it anew. */
  readonly identities: IdentityProvider;
  readonly actors: Actors;
  readonly trusted: TrustedProxies;
  /** Whom the certificate of a client names, and who of that login may come in. */
  readonly certificates?: { readonly certified: CertificateLogins; readonly find: FindIdentity };
  /** Whether grants decide, and what they say. Where they do not, or without this, all may do everything. */
  readonly grants?: { readonly decide: () => boolean | Promise<boolean>; readonly rights: Pick<LookedUpRights, 'of'> };
}

/** Characters of login and secret in base64. */
const MAX_LENGTH = 4096;
const NEEDS_LOGIN = 'this registry needs login and password';

/**
 * Lets a request pass that brings the login and the secret of a user (wire-protocol 4.11), or no login and a certificate that names one. They may do everything
 * until the first grant is given, and what grants say from then on: a refusal is a 403, because no other login is to be had.
 */
export function basicGuard(options: BasicGuardOptions): Guard {
  return (request, exchange) => admit(request, exchange, options);
}

async function admit(request: OciRequest, exchange: Exchange, options: BasicGuardOptions): Promise<void> {
  const { address } = options.trusted.client(exchange.request);
  const { id, kind, login } = await identify(exchange, address, options);
  const actor = kind !== 'htpasswd' ? id : appendsEvents(request) ? await options.actors.refOf(kind, login) : null;
  exchange.caller = { principal: id, kind, actor };
  const decided = options.grants?.decide() ?? false;
  if (decided === false || !(await decided)) return;
  const found = await options.grants?.rights.of(login, request, address);
  // of a user whom the file lost a moment ago
  if (found === undefined) throw unauthorized(BASIC_CHALLENGE, 'login or password is wrong');
  const verdict = judgeRequest(request, found.rights);
  if (verdict.kind !== 'pass') throw denied(verdict.kind === 'denied' ? verdict.message : 'no grant lets you do this');
  exchange.conditions = verdict.conditions;
}

/** @throws OciError UNAUTHORIZED */
async function identify(exchange: Exchange, address: string, { identities, certificates }: BasicGuardOptions): Promise<Identity> {
  const certified = exchange.request.headers.authorization === undefined ? certificates?.certified(exchange) : undefined;
  const identity = certified === undefined ? await identities.identify({ ...attemptOf(exchange), address }) : await certificates?.find(certified.login, address);
  if (identity !== undefined) return identity;
  throw unauthorized(BASIC_CHALLENGE, certified === undefined ? 'login or password is wrong' : NEEDS_LOGIN);
}

/** @throws OciError UNAUTHORIZED */
function attemptOf(exchange: Exchange): { readonly login: string; readonly secret: string } {
  const authorization = authorizationOf(exchange.request);
  if (authorization.kind === 'none') throw unauthorized(BASIC_CHALLENGE, NEEDS_LOGIN);
  if (authorization.kind === 'malformed') throw unauthorized(BASIC_CHALLENGE, authorization.reason);
  if (authorization.kind === 'bearer') throw unauthorized(BASIC_CHALLENGE, 'this registry takes login and password, and no tokens');
  const { text } = authorization;
  const pair = text.length > MAX_LENGTH ? '' : Buffer.from(text, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 1) throw unauthorized(BASIC_CHALLENGE, 'login or password is wrong');
  return { login: pair.slice(0, colon), secret: pair.slice(colon + 1) };
}
