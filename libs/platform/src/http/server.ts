import { STATUS_CODES, createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody, unsupported } from '@waybill/oci';
import type { OciError } from '@waybill/oci';
import { Connections } from './connections.js';
import type { CutReason, Patience, StartAnswer } from './connections.js';
import { writeError } from './error-writer.js';
import { ALWAYS, Exchange } from './exchange.js';
import { hostFault } from './host-header.js';

export interface HttpLimits extends Patience {
  /** Of one request's line and headers together. */
  readonly maxHeaderBytes: number;
  readonly headersTimeoutMs: number;
  readonly maxConnections: number;
  /** How long a stopping server waits for running requests. */
  readonly drainMs: number;
}

/** What limits one process (wire-protocol U9 and section 7 point 13). */
export const HTTP_LIMITS: HttpLimits = {
  // Tokens of some providers take 8 KiB, and a 16 KiB head is what node and common proxies allow.
  maxHeaderBytes: 16 * 1024,
  // From the first byte to the last, not between bytes: a head fits into a few packets, so this bounds a slow-loris absolutely.
  headersTimeoutMs: 20_000,
  // Without one byte of the body. There is no limit for the whole body: a layer of 100 GiB over a slow line is legitimate. A client that sends
  // a byte a minute is therefore not cut; what it can hold is one connection out of maxConnections, an upload session that expires by
  // itself, and what it sent: 10 KiB for the connection, up to 1 MiB of a blob that is not written yet (measured 0.95 MB), up to 4 MiB of
  // a manifest (3.1 MB), of which all connections together get 256 MiB (read-body.ts).
  bodyIdleMs: 60_000,
  // Without one byte of the answer taken. Long, because the kernel's send buffer hides slow progress (see connections.ts): at its
  // largest, 4 MiB, a client that reads 5 KiB/s is still seen to move within this time.
  responseIdleMs: 300_000,
  // Above the 60 s of common proxies, so that it is they who close, and never in the middle of a request of theirs.
  keepAliveMs: 75_000,
  maxConnections: 10_000,
  drainMs: 30_000,
  sweepMs: 5_000,
};

/** Milliseconds for which a connection that got a last answer is still read, so that a reset does not overtake the answer. */
const LINGER_MS = 2_000;

export type ClientErrorReason = 'malformed' | 'header_overflow' | 'headers_timeout' | 'reset' | 'connection_limit' | Exclude<CutReason, 'keep_alive'>;

export interface HttpServerOptions {
  readonly limits: HttpLimits;
  /** Answers `/v2/`; `expectsContinue` where the client waits for a 100 before it sends its body. */
  readonly registry: (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => void;
  /** Answers every other path. */
  readonly other: RequestListener;
  readonly onClientError: (reason: ClientErrorReason) => void;
}

export interface HttpServer {
  readonly server: Server;
  readonly connections: Connections;
  /** Stops listening and ends every connection, the running requests' after they are done or after `drainMs`. Gives how many were cut short. */
  close(): Promise<number>;
}

/** A node:http server that does not listen yet. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { limits, registry, other, onClientError } = options;
  const connections = new Connections(limits, (reason) => reason !== 'keep_alive' && onClientError(reason));
  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: Math.min(limits.sweepMs, limits.headersTimeoutMs),
    // The sweep bounds bodies and idle connections by what moves; node's timers for both would be re-armed for every request.
    requestTimeout: 0,
    keepAliveTimeout: 0,
    noDelay: true,
    // Refuses Content-Length beside Transfer-Encoding, bare LF and other ways to smuggle a request past a proxy.
    insecureHTTPParser: false,
    // Refused by us instead (host-header.ts).
    requireHostHeader: false,
  });
  server.timeout = 0;
  server.maxRequestsPerSocket = 0;
  server.maxConnections = limits.maxConnections;
  server.on('connection', (socket) => connections.accept(socket));
  server.on('drop', () => onClientError('connection_limit'));
  const answer: StartAnswer = (request, response) => {
    const fault = hostFault(request);
    if (fault !== undefined) refuseHost(fault, request, response, onClientError);
    else if (isRegistry(request)) registry(request, response, false);
    else other(request, response);
  };
  const answerWaiting: StartAnswer = (request, response) => {
    const fault = hostFault(request);
    if (fault !== undefined) return refuseHost(fault, request, response, onClientError);
    if (isRegistry(request)) return registry(request, response, true);
    response.writeContinue();
    other(request, response);
  };
  server.on('request', (request, response) => connections.serve(request, response, answer));
  server.on('checkContinue', (request, response) => connections.serve(request, response, answerWaiting));
  // An expectation other than 100-continue may be ignored (RFC 9110 section 10.1.1); node's own 417 would lack our headers.
  server.on('checkExpectation', (request, response) => connections.serve(request, response, answer));
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket, connections, options));
  const sweep = setInterval(() => connections.sweep(), limits.sweepMs).unref();
  const close = async (): Promise<number> => {
    try {
      return await connections.drain(server, limits.drainMs);
    } finally {
      clearInterval(sweep);
    }
  };
  return { server, connections, close };
}

/** Whether the request is one of `/v2/`. A target in absolute form, which servers have to accept (RFC 9112 section 3.2.2), loses its origin. */
function isRegistry(request: IncomingMessage): boolean {
  let url = request.url ?? '';
  if (url.charCodeAt(0) !== SLASH) {
    url = url.replace(/^https?:\/\/[^/?]*/i, '');
    request.url = url.startsWith('/') ? url : `/${url}`;
    url = request.url;
  }
  if (!url.startsWith('/v2')) return false;
  const next = url.charCodeAt(3);
  return next === SLASH || next === QUESTION_MARK || url.length === 3;
}

const SLASH = 47;
const QUESTION_MARK = 63;

/** The connection ends: what follows may be for another host as well. */
function refuseHost(fault: string, request: IncomingMessage, response: ServerResponse, onClientError: HttpServerOptions['onClientError']): void {
  onClientError('malformed');
  response.shouldKeepAlive = false;
  writeError(new Exchange(request, response), unsupported(fault, 400), () => undefined);
}

/** Answers what is no request. The connection ends: where the next request would begin is not known. */
function refuse(error: NodeJS.ErrnoException, socket: Socket, connections: Connections, { limits, onClientError }: HttpServerOptions): void {
  if (error.code === 'ECONNRESET') {
    onClientError('reset');
    socket.destroy();
    return;
  }
  // Not the client's delay. Node times this head no more: only keepAliveMs bounds it, as a slow body. Ending the connection instead, with
  // bytes unread, would reset it and lose the answers that are on their way.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && connections.isHeld(socket)) return;
  // The parser complains again about every packet that follows, while the answer is on its way.
  if (!connections.condemn(socket, LINGER_MS)) return;
  const { reason, refusal } = describe(error, limits);
  onClientError(reason);
  if (socket.bytesRead === 0 || !socket.writable || !connections.isBetweenAnswers(socket)) {
    socket.destroy();
    return;
  }
  const body = errorBody(refusal);
  const fields = ['Connection', 'close', 'Content-Type', 'application/json', ...ALWAYS, 'Content-Length', String(Buffer.byteLength(body))];
  let head = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  socket.end(`${head}\r\n${body}`);
}

function describe(error: NodeJS.ErrnoException, limits: HttpLimits): { readonly reason: ClientErrorReason; readonly refusal: OciError } {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { reason: 'header_overflow', refusal: unsupported(`the request line and headers have more than ${limits.maxHeaderBytes} bytes: send fewer or shorter ones`, 431) };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { reason: 'headers_timeout', refusal: unsupported(`the request line and headers took longer than ${limits.headersTimeoutMs / 1000} s`, 408) };
    default:
      return { reason: 'malformed', refusal: unsupported('this is not a valid HTTP/1.1 request', 400) };
  }
}
