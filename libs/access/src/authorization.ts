import type { IncomingMessage } from 'node:http';

/** What a request brings to be let in: nothing, a scheme with its text, or something that cannot be understood. */
export type Authorization =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer' | 'basic'; readonly text: string }
  | { readonly kind: 'malformed'; readonly reason: string };

const NONE: Authorization = { kind: 'none' };
const NAME = 'authorization';

/**
 * Reads the one Authorization header. Two of them are nobody's request: who stands in front of us may have read the other one. The scheme is told apart
 * without regard to case (RFC 9110 section 11.1).
 */
export function authorizationOf(request: IncomingMessage): Authorization {
  const value = request.headers.authorization;
  if (value === undefined) return NONE;
  if (isRepeated(request.rawHeaders)) return { kind: 'malformed', reason: 'the request has more than one Authorization header' };
  const space = value.indexOf(' ');
  const scheme = (space === -1 ? value : value.slice(0, space)).toLowerCase();
  const text = space === -1 ? '' : value.slice(space + 1).trim();
  if (scheme !== 'bearer' && scheme !== 'basic') return { kind: 'malformed', reason: 'the Authorization header has another scheme than the challenge names' };
  return { kind: scheme, text };
}

/** Node keeps the first of several and says nothing of the others. */
function isRepeated(rawHeaders: readonly string[]): boolean {
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === NAME.length && name.toLowerCase() === NAME) seen += 1;
  }
  return seen > 1;
}
