import type { IncomingMessage } from 'node:http';
import { parseScopes } from '@waybill/oci';
import type { Scope } from '@waybill/oci';
import { TokenRefused } from './token-refused.js';

/** How somebody asks to be let in. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly login: string; readonly secret: string }
  | { readonly kind: 'refresh'; readonly token: string };

/** A request for a token, of either form (wire-protocol 4.7 and 4.8). */
export interface TokenRequest {
  readonly form: 'GET' | 'POST';
  readonly credentials: Credentials;
  /** undefined: the registry's own. */
  readonly service: string | undefined;
  readonly scopes: readonly Scope[];
  /** Whether a refresh token is wanted. */
  readonly offline: boolean;
}

/** Bytes of the body of a POST at most: the longest scopes there may be, and a password. */
export const MAX_FORM = 32 * 1024;

/**
 * `GET /token`: everything in the query but the credentials. `account` and `client_id` say nothing that is believed.
 * @throws TokenRefused (400; 401 where the header is none that this endpoint takes)
 */
export function parseQuery(request: Pick<IncomingMessage, 'url' | 'headersDistinct'>): TokenRequest {
  const parameters = new URLSearchParams(/\?(.*)$/s.exec(request.url ?? '')?.[1] ?? '');
  // in a query they would stand in the log of every proxy on the way
  for (const name of ['password', 'refresh_token']) if (parameters.has(name)) throw new TokenRefused('invalid_request', `${name} must not stand in the query: send a POST, or Basic credentials`);
  return {
    form: 'GET',
    credentials: basicCredentials(request),
    service: single(parameters, 'service'),
    scopes: scopesOf(parameters),
    offline: single(parameters, 'offline_token') === 'true',
  };
}

/**
 * `POST /token`: a form of RFC 6749 with `grant_type` password or refresh_token; `scope` may be repeated, which the RFC forbids and some clients do. The
 * query means nothing here.
 * @throws TokenRefused (400)
 */
export function parseForm(body: Buffer): TokenRequest {
  const parameters = new URLSearchParams(body.toString('utf8'));
  const grant = required(parameters, 'grant_type');
  if (grant !== 'password' && grant !== 'refresh_token') throw new TokenRefused('unsupported_grant_type', 'grant_type must be password or refresh_token');
  required(parameters, 'client_id');
  return {
    form: 'POST',
    credentials: grant === 'password'
      ? { kind: 'password', login: required(parameters, 'username'), secret: required(parameters, 'password') }
      : { kind: 'refresh', token: required(parameters, 'refresh_token') },
    service: single(parameters, 'service'),
    scopes: scopesOf(parameters),
    offline: single(parameters, 'access_type') === 'offline',
  };
}

/** Whether a Content-Type is that of a form, whatever its parameters say. */
export function isForm(contentType: string | undefined): boolean {
  return /^application\/x-www-form-urlencoded[\t ]*(;|$)/i.test(contentType ?? '');
}

/** None where there is no header, and where it names nobody: clients without credentials send `Og==`, which is nothing but the colon. */
function basicCredentials({ headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>): Credentials {
  const headers = headersDistinct['authorization'] ?? [];
  if (headers.length > 1) throw new TokenRefused('invalid_request', 'the request has more than one Authorization header: send one');
  const [header] = headers;
  if (header === undefined) return { kind: 'none' };
  const encoded = /^Basic +([A-Za-z0-9+/]*={0,2}) *$/i.exec(header)?.[1];
  const text = Buffer.from(encoded ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (encoded === undefined || colon < 0) throw new TokenRefused('invalid_grant', 'expected Basic credentials: a login and a password, or a token in its place');
  const [login, secret] = [text.slice(0, colon), text.slice(colon + 1)];
  return login === '' && secret === '' ? { kind: 'none' } : { kind: 'password', login, secret };
}

function scopesOf(parameters: URLSearchParams): readonly Scope[] {
  return parseScopes(parameters.getAll('scope'));
}

/** A parameter that stands there twice with different values could mean one to us and another to a proxy. */
function single(parameters: URLSearchParams, name: string): string | undefined {
  const values = new Set(parameters.getAll(name));
  if (values.size > 1) throw new TokenRefused('invalid_request', `${name} is there more than once: send one`);
  const [value] = values;
  return value === '' ? undefined : value;
}

function required(parameters: URLSearchParams, name: string): string {
  const value = single(parameters, name);
  if (value === undefined) throw new TokenRefused('invalid_request', `${name} is missing`);
  return value;
}
