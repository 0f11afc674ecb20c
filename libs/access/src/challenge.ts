import { formatScopes } from '@waybill/oci';
import type { Scope } from '@waybill/oci';

/** Where a client gets a token, and for whom. */
export interface Authority {
  /** Absolute URL of the token endpoint, without a query: clients append theirs. */
  readonly realm: string;
  /** What tokens have to name as their audience. */
  readonly service: string;
}

/** RFC 6750 section 3.1, as registries use it: nobody is told 403 for a token that another one can replace (wire-protocol 4.3). */
export type ChallengeError = 'invalid_token' | 'insufficient_scope';

/** The value of WWW-Authenticate where tokens are used (wire-protocol 4.1): one line, every value quoted, several scopes in one value. */
export function bearerChallenge({ realm, service }: Authority, scopes: readonly Scope[], error?: ChallengeError): string {
  const parts = [`realm=${quote(realm)}`, `service=${quote(service)}`];
  if (scopes.length > 0) parts.push(`scope=${quote(formatScopes(scopes))}`);
  if (error !== undefined) parts.push(`error=${quote(error)}`);
  return `Bearer ${parts.join(',')}`;
}

/** The value of WWW-Authenticate where every request brings login and password (wire-protocol 4.11). */
export const BASIC_CHALLENGE = 'Basic realm="Waybill"';

/** RFC 9110 section 5.6.4. What cannot stand in a header at all is left out. */
function quote(value: string): string {
  return `"${value.replace(/[^\x20-\x7e]/g, '').replace(/["\\]/g, '\\$&')}"`;
}
