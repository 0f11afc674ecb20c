import { createHash } from 'node:crypto';
import { unsupported } from '@waybill/oci';
import { isNotModified, readBody } from '@waybill/platform';
import type { Endpoint, Exchange, TrustedProxies } from '@waybill/platform';
import type { CertificateLogins } from './certificate-logins.js';
import { formatJwks } from './signing-key.js';
import type { SigningKeys } from './signing-keys.js';
import { asTokenRefused, NO_STORE, TokenRefused } from './token-refused.js';
import { isForm, MAX_FORM, parseForm, parseQuery } from './token-request.js';
import type { TokenRequest } from './token-request.js';
import type { TokenService } from './token-service.js';

const JSON_TYPE = ['Content-Type', 'application/json'] as const;
/** Seconds for which others may keep the keys. A new one is published far longer before it signs. */
const KEYS_MAX_AGE = 300;

export interface TokenEndpointsOptions {
  readonly tokens: TokenService;
  readonly keys: Pick<SigningKeys, 'publicKeys'>;
  readonly trusted: TrustedProxies;
  /** Without it certificates of clients name nobody. */
  readonly certified?: CertificateLogins;
  readonly refused: (error: unknown) => void;
}

/** `/token` and `/.well-known/jwks.json`. */
export function tokenEndpoints(options: TokenEndpointsOptions): Endpoint[] {
  return [
    { kind: 'token', path: '/token', answer: (exchange) => answerToken(options, exchange) },
    { kind: 'keys', path: '/.well-known/jwks.json', answer: (exchange) => answerKeys(options, exchange) },
  ];
}

async function answerToken({ tokens, trusted, certified, refused }: TokenEndpointsOptions, exchange: Exchange): Promise<void> {
  try {
    const request = await readRequest(exchange);
    const answer = await tokens.answer(request, trusted.client(exchange.request).address, request.form === 'GET' ? certified?.(exchange) : undefined);
    exchange.reply(200, [...JSON_TYPE, ...Object.entries(NO_STORE).flat()], JSON.stringify(answer));
  } catch (error) {
    refused(error);
    throw asTokenRefused(error);
  }
}

/** @throws TokenRefused; OciError UNSUPPORTED (405) */
async function readRequest({ request }: Exchange): Promise<TokenRequest> {
  if (request.method === 'GET') return parseQuery(request);
  if (request.method !== 'POST') throw unsupported('the token endpoint answers GET and POST', 405, { Allow: 'GET, POST' });
  if (!isForm(request.headers['content-type'])) throw new TokenRefused('invalid_request', 'expected a body of the type application/x-www-form-urlencoded');
  return parseForm(await readBody(request, MAX_FORM, () => new TokenRefused('invalid_request', `the form has more than ${MAX_FORM} bytes`)));
}

function answerKeys({ keys }: TokenEndpointsOptions, exchange: Exchange): void {
  const { method } = exchange.request;
  if (method !== 'GET' && method !== 'HEAD') throw unsupported('the keys can be read only', 405, { Allow: 'GET, HEAD' });
  const body = formatJwks(keys.publicKeys());
  const version = createHash('sha256').update(body).digest('base64url');
  const headers = ['Cache-Control', `public, max-age=${KEYS_MAX_AGE}`, 'ETag', `"${version}"`];
  if (isNotModified(exchange.request, version)) exchange.reply(304, headers);
  else exchange.reply(200, [...JSON_TYPE, ...headers], body);
}
