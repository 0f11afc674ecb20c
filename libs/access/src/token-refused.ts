import { OciError, RegistryError } from '@waybill/oci';
import type { OciErrorCode } from '@waybill/oci';

/** The codes of RFC 6749 section 5.2, and `temporarily_unavailable` of its section 4.1.2.1 for what a later attempt may get. */
export type TokenError = 'invalid_request' | 'invalid_grant' | 'invalid_scope' | 'unsupported_grant_type' | 'temporarily_unavailable';

const CODES: Readonly<Record<TokenError, OciErrorCode>> = {
  invalid_request: 'UNSUPPORTED',
  invalid_grant: 'UNAUTHORIZED',
  invalid_scope: 'UNSUPPORTED',
  unsupported_grant_type: 'UNSUPPORTED',
  temporarily_unavailable: 'UNAVAILABLE',
};
/** No token and no refusal belongs into a cache (RFC 6749 section 5.1). */
export const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' } as const;

/**
 * The token endpoint refuses: 401 for credentials that are not right, else 400. Its body is for both kinds of clients: `errors` as everywhere in a
 * registry, and `error` and `error_description` of RFC 6749 (wire-protocol 4.8).
 */
export class TokenRefused extends OciError {
  constructor(readonly error: TokenError, message: string, headers: Readonly<Record<string, string>> = {}) {
    const code = CODES[error];
    super(code, message, { ...(code === 'UNSUPPORTED' ? { status: 400 } : {}), headers: { ...NO_STORE, ...headers }, members: { error, error_description: message } });
  }
}

/** What somebody else refuses or cannot do, in the form of this endpoint; what is a bug, as it is. */
export function asTokenRefused(error: unknown): unknown {
  if (error instanceof TokenRefused || !(error instanceof RegistryError)) return error;
  const isLater = error.retryable || error.status >= 500;
  const code: OciErrorCode = error instanceof OciError ? error.code : 'UNAVAILABLE';
  return new OciError(code, error.message, {
    status: error.status,
    headers: { ...error.headers, ...NO_STORE },
    cause: error.cause,
    members: { error: isLater ? 'temporarily_unavailable' : 'invalid_request', error_description: error.message },
  });
}
