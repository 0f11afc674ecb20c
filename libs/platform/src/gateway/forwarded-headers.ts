import type { IncomingMessage } from 'node:http';
import type { Exchange } from '../http/exchange.js';
import type { Client } from '../http/client-address.js';

/** For one connection only (RFC 9110 section 7.6.1); `expect` too, because the gateway has answered it. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect']);
/** What only we may say. */
const OURS = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-real-ip', 'forwarded', 'x-request-id', 'traceparent']);

/**
 * The headers of a request for the next hop, name after name and value. What a client says about where it comes from is dropped, and what the
 * trusted proxies in front know takes its place. @param sendsBody false: a length that was announced is not passed on either
 */
export function requestHeaders(exchange: Exchange, client: Client, sendsBody: boolean): string[] {
  const { request } = exchange;
  const headers = ['x-forwarded-for', client.path, 'x-forwarded-proto', client.protocol, 'x-request-id', exchange.requestId, 'traceparent', exchange.traceparent];
  const named = connectionNames(request);
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (HOP_BY_HOP.has(name) || OURS.has(name) || named?.has(name) || (!sendsBody && name === 'content-length')) continue;
    headers.push(name, rawHeaders[i + 1] ?? '');
  }
  return headers;
}

/** The headers of an answer for the client, in the service's spelling. */
export function responseHeaders(raw: readonly (Buffer | string)[]): string[] {
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = String(raw[i]);
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, text(raw[i + 1]));
  }
  return headers;
}

/** Header values are bytes; Node writes strings as latin1. */
function text(value: Buffer | string | undefined): string {
  return typeof value === 'string' ? value : (value?.toString('latin1') ?? '');
}

/** What `Connection` declares to be for this hop. Nearly always nothing or `keep-alive`. */
function connectionNames({ headers }: IncomingMessage): ReadonlySet<string> | undefined {
  const { connection } = headers;
  if (connection === undefined || /^(keep-alive|close)$/i.test(connection)) return undefined;
  // what the next hop needs to understand the request at all cannot be taken from it
  return new Set(connection.toLowerCase().split(',').map((name) => name.trim()).filter((name) => name !== 'host' && name !== 'authorization' && !name.startsWith('content-')));
}
