import type { OciRequest } from '@waybill/oci';
import { withSpan } from '../telemetry/active-span.js';
import type { Span } from '../telemetry/span.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { Exchange } from './exchange.js';

/** Answers a request inside a span where its trace is recorded. */
export function traceRequest(telemetry: Telemetry, exchange: Exchange, startedAt: number, answer: () => void): void {
  const { method = '', headers } = exchange.request;
  const span = telemetry.begin(method, headers.traceparent, { kind: 'server', startedAt, attributes: { 'http.request.method': method } });
  if (span === undefined) return answer();
  exchange.span = span;
  withSpan(span, answer);
}

/** Says of the span what the request turned out to be. */
export function endRequestSpan(span: Span, exchange: Exchange): void {
  const request = exchange.parsed;
  if (request !== undefined) {
    span.rename(request.kind);
    span.set('url.path', pathOf(exchange, request));
    if ('repository' in request && request.repository !== undefined) span.set('waybill.repository', request.repository);
    if ('reference' in request) span.set('waybill.reference', request.reference);
    if ('digest' in request) span.set('waybill.digest', request.digest);
  }
  if (exchange.endpoint !== undefined) span.rename(exchange.endpoint);
  span.set('waybill.request_id', exchange.requestId);
  span.set('http.response.status_code', exchange.status);
  span.set('http.response.body.size', exchange.bytes);
  // what the client did wrong is no fault of the server's span (semantic conventions for HTTP)
  span.end(exchange.status >= 500 || exchange.status === 0 ? { code: String(exchange.status) } : undefined);
}

/** Without the id of an upload, which lets its bearer write. */
function pathOf({ request: { url = '' } }: Exchange, request: OciRequest): string {
  const path = url.replace(/\?.*$/s, '');
  return 'upload' in request ? path.replace(/[^/]*$/, '*') : path;
}

/** The way to a service as a span between the gateway's own and the service's, whatever that takes: every replica that was tried. */
export function traceForward(service: string, exchange: Exchange, forward: () => Promise<void>): Promise<void> {
  const { span } = exchange;
  if (span === undefined) return forward();
  const child = span.child(`forward to ${service}`, { kind: 'client', attributes: { 'http.request.method': exchange.request.method ?? '', 'peer.service': service } });
  // what the gateway passes on names the parent of the service's span
  exchange.span = child;
  return endForward(span, child, exchange, forward());
}

async function endForward(span: Span, child: Span, exchange: Exchange, forwarded: Promise<void>): Promise<void> {
  try {
    await forwarded;
    child.set('http.response.status_code', exchange.status);
    child.end(exchange.status >= 500 ? { code: String(exchange.status) } : undefined);
  } catch (error) {
    child.end(error);
    throw error;
  } finally {
    exchange.span = span;
  }
}
