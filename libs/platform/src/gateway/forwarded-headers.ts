import { unsupported } from '@waybill/oci';
import type { Client } from '../http/client-address.js';
import type { Exchange } from '../http/exchange.js';
import { forwardedCertificate } from '../http/tls/forwarded-certificate.js';

/** For one connection only (RFC 9110 section 7.6.1); `expect` too, because the gateway has answered it. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect']);
/** What only we may say. */
const OURS = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-real-ip', 'forwarded', 'x-request-id', 'traceparent', 'client-cert', 'client-cert-chain']);
/** Node's parser lets none of these in; a head that we put together must not depend on that. */
const BREAKS_A_LINE = /[^\t\x20-\x7e\x80-\xff]/;
const BREAKS_A_TARGET = /[^\x21-\x7e\x80-\xff]/;

/** How the body of a request is delimited on the next hop. */
export type BodyFraming = 'none' | 'length' | 'chunked';

/**
 * The head of a request for the next hop, as it goes to the socket in latin1. What a client says about where it comes from is dropped, and what the
 * trusted proxies in front know takes its place; a length that was announced is passed on only where a body is.
 * @throws OciError UNSUPPORTED (400)
 */
export function requestHead(exchange: Exchange, client: Client, framing: BodyFraming): string {
  const { request } = exchange;
  const { rawHeaders, url = '/' } = request;
  if (BREAKS_A_TARGET.test(url)) throw cannotPass();
  const named = namedByConnection(request.headers.connection);
  let head = `${request.method} ${url} HTTP/1.1\r\n${whatWeKnow(exchange, client)}`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = [rawHeaders[i], rawHeaders[i + 1]];
    const key = name.toLowerCase();
    if (HOP_BY_HOP.has(key) || OURS.has(key) || named?.has(key) || (key === 'content-length' && framing !== 'length')) continue;
    if (BREAKS_A_LINE.test(value)) throw cannotPass();
    head += `${name}: ${value}\r\n`;
  }
  // HTTP/1.0 knows requests without it, HTTP/1.1 does not
  if (request.headers.host === undefined) head += 'host: \r\n';
  return framing === 'chunked' ? `${head}transfer-encoding: chunked\r\n\r\n` : `${head}\r\n`;
}

function whatWeKnow({ requestId, traceparent, clientCertificate }: Exchange, client: Client): string {
  const known = `x-forwarded-for: ${client.path}\r\nx-forwarded-proto: ${client.protocol}\r\nx-request-id: ${requestId}\r\ntraceparent: ${traceparent}\r\n`;
  return clientCertificate === undefined ? known : `${known}client-cert: ${forwardedCertificate(clientCertificate)}\r\n`;
}

/** Whether a header of an answer, by its name in lower case, is for this connection only. */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/** What `Connection` declares to be for this hop, in lower case. Undefined where that is nothing of interest: nearly always. */
export function namedByConnection(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return undefined;
  // what the next hop needs to understand the message at all cannot be taken from it
  return new Set(connection.toLowerCase().split(',').map((name) => name.trim()).filter((name) => name !== 'host' && name !== 'authorization' && !name.startsWith('content-')));
}

function cannotPass(): Error {
  return unsupported('the request line or a header has a character that cannot be passed on', 400);
}
