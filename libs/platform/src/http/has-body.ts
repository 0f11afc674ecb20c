import type { IncomingMessage } from 'node:http';

/** Whether a request announces a body. One without length and without chunked coding has none (RFC 9112 section 6.3). */
export function hasBody(request: IncomingMessage): boolean {
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
}
