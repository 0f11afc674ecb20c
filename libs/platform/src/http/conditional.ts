import type { IncomingMessage } from 'node:http';

/**
 * Whether an `If-None-Match` or `If-Match` list names the digest: quoted, weak, or bare as some clients send it (wire-protocol row 3), or `*`.
 */
export function namesDigest(list: string, digest: string): boolean {
  return list.split(',').some((item) => {
    const tag = item.trim().replace(/^W\//, '');
    return tag === '*' || tag === `"${digest}"` || tag === digest;
  });
}

/** Whether the client has the content already: 304. */
export function isNotModified(request: IncomingMessage, digest: string): boolean {
  const list = request.headers['if-none-match'];
  return list !== undefined && namesDigest(list, digest);
}
