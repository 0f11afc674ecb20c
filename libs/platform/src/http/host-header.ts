import type { IncomingMessage } from 'node:http';

/** uri-host [ ":" port ] of RFC 3986; empty for a target that has no authority. */
const HOST = /^(?:\[[\w:.%~-]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/;
/** Connections of one client say the same Host each time. */
let lastValid = '';

/**
 * What is wrong with the Host of a request (RFC 9112 section 3.2), or undefined. It has to be refused, because a proxy in front may read another
 * host out of it. Node would say no more than the status, and knows only the Host that is missing.
 */
export function hostFault({ rawHeaders, httpVersion }: IncomingMessage): string | undefined {
  let host: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length !== 4 || (name !== 'Host' && name.toLowerCase() !== 'host')) continue;
    if (host !== undefined) return 'the request has more than one Host header: send one';
    host = rawHeaders[i + 1];
  }
  if (host === undefined) return httpVersion === '1.1' ? 'the request has no Host header, which HTTP/1.1 asks for' : undefined;
  if (host === lastValid) return undefined;
  if (!HOST.test(host)) return 'the Host header is not of the form host or host:port';
  lastValid = host;
  return undefined;
}
