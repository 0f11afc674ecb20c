import { unauthorized } from '@waybill/oci';
import type { OciRequest } from '@waybill/oci';
import type { Exchange, Guard, TrustedProxies } from '@waybill/platform';
import type { Actors } from './actors.js';
import { authorizationOf } from './authorization.js';
import { BASIC_CHALLENGE } from './challenge.js';
import type { IdentityProvider } from './identity-provider.js';
import { appendsEvents } from './written-events.js';

export interface BasicGuardOptions {
  /** Asked at each request: it has to know a secret again without checking it anew. */
  readonly identities: IdentityProvider;
  readonly actors: Actors;
  readonly trusted: TrustedProxies;
}

/** Characters of login and secret in base64. */
const MAX_LENGTH = 4096;

/** Lets a request pass that brings the login and the secret of a user (wire-protocol 4.11). All of them may do everything. */
export function basicGuard(options: BasicGuardOptions): Guard {
  return (request, exchange) => admit(request, exchange, options);
}

async function admit(request: OciRequest, exchange: Exchange, { identities, actors, trusted }: BasicGuardOptions): Promise<void> {
  const attempt = attemptOf(exchange);
  const identity = await identities.identify({ ...attempt, address: trusted.client(exchange.request).address });
  if (identity === undefined) throw unauthorized(BASIC_CHALLENGE, 'login or password is wrong');
  const { id, kind, login } = identity;
  const actor = kind !== 'htpasswd' ? id : appendsEvents(request) ? await actors.refOf(kind, login) : null;
  exchange.caller = { principal: id, kind, actor };
}

/** @throws OciError UNAUTHORIZED */
function attemptOf(exchange: Exchange): { readonly login: string; readonly secret: string } {
  const authorization = authorizationOf(exchange.request);
  if (authorization.kind === 'none') throw unauthorized(BASIC_CHALLENGE, 'this registry needs login and password');
  if (authorization.kind === 'malformed') throw unauthorized(BASIC_CHALLENGE, authorization.reason);
  if (authorization.kind === 'bearer') throw unauthorized(BASIC_CHALLENGE, 'this registry takes login and password, and no tokens');
  const { text } = authorization;
  const pair = text.length > MAX_LENGTH ? '' : Buffer.from(text, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 1) throw unauthorized(BASIC_CHALLENGE, 'login or password is wrong');
  return { login: pair.slice(0, colon), secret: pair.slice(colon + 1) };
}
