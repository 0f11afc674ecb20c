import { STATUS_CODES, createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { errorBody, unsupported } from '@waybill/oci';
import type { OciError } from '@waybill/oci';
import { Connections } from './connections.js';
import type { CutReason, StartAnswer } from './connections.js';
import { writeError } from './error-writer.js';
import { ALWAYS, Exchange } from './exchange.js';
import { hostFault } from './host-header.js';
import type { HttpLimits } from './limits.js';
import type { Handshakes } from './tls/handshakes.js';
import { createTlsServer, followHandshakes, renewContext } from './tls/tls-server.js';
import type { TlsErrorReason, TlsListener } from './tls/tls-server.js';
import type { TlsMaterial } from './tls/tls-material.js';
import { forgetCertificate } from './tls/client-certificate.js';

/** Milliseconds for which a connection that got a last answer is still read, so that a reset does not overtake the answer. */
const LINGER_MS = 2_000;

export type ClientErrorReason = 'malformed' | 'header_overflow' | 'headers_timeout' | 'reset' | 'connection_limit' | 'tls' | TlsErrorReason | Exclude<CutReason, 'keep_alive'>;

export interface HttpServerOptions {
  readonly limits: HttpLimits;
  /** Answers `/v2/`; `expectsContinue` where the client waits for a 100 before it sends its body. */
  readonly registry: (request: IncomingMessage, response: ServerResponse, expectsContinue: boolean) => void;
  /** Answers every other path. */
  readonly other: RequestListener;
  readonly onClientError: (reason: ClientErrorReason) => void;
  /** Without it the server speaks plain http. */
  readonly tls?: TlsListener;
}

export interface HttpServer {
  readonly server: Server;
  /** Connections that are open, the ones whose TLS handshake is not done included. */
  readonly size: number;
  /**
   * Handshakes from now on use `material`. Running connections go on; where clients are judged by something else than `before`, those that had a
   * certificate are nobody's and end with their request. Throws, and changes nothing, where OpenSSL does not take the material.
   */
  useMaterial(material: TlsMaterial, before: TlsMaterial): void;
  readonly connections: Connections;
  /** Stops listening and ends every connection, the running requests' after they are done or after `drainMs`. Gives how many were cut short. */
  close(): Promise<number>;
}

/** A node:http or node:https server that does not listen yet. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { limits, tls, onClientError } = options;
  const connections = new Connections(limits, (reason) => reason !== 'keep_alive' && onClientError(reason));
  const secure = tls && createTlsServer(serverOptions(limits), tls);
  const server = secure ?? createServer(serverOptions(limits));
  server.timeout = 0;
  server.maxRequestsPerSocket = 0;
  server.maxConnections = limits.maxConnections;
  server.on('drop', () => onClientError('connection_limit'));
  const handshakes = secure && acceptSecure(secure, connections, onClientError);
  if (secure === undefined) server.on('connection', (socket) => connections.accept(socket));
  answerRequests(server, connections, options);
  const sweep = setInterval(() => connections.sweep(), limits.sweepMs).unref();
  return {
    server,
    connections,
    get size() {
      return connections.size + (handshakes?.size ?? 0);
    },
    useMaterial: (material, before) => {
      if (secure === undefined || tls === undefined) throw new Error('The server speaks plain http: it has no certificate to renew.');
      renewContext(secure, tls.settings, material);
      if (material.trust !== before.trust) connections.retire(forgetCertificate);
    },
    close: async () => {
      try {
        const drained = connections.drain(server, limits.drainMs);
        handshakes?.destroy();
        return await drained;
      } finally {
        clearInterval(sweep);
      }
    },
  };
}

function serverOptions(limits: HttpLimits): ServerOptions {
  return {
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
  };
}

function acceptSecure(server: TlsServer, connections: Connections, onClientError: HttpServerOptions['onClientError']): Handshakes {
  return followHandshakes(server, {
    onSecure: (socket, wire) => connections.accept(socket, wire),
    onFailed: onClientError,
    plainAnswer: lastAnswer(unsupported('this address speaks TLS: use https:// instead of http://', 400)),
  });
}

function answerRequests(server: Server, connections: Connections, options: HttpServerOptions): void {
  const { registry, other, onClientError } = options;
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
  // What came is not what was sent: nothing more can be said on such a connection.
  if (error.code?.startsWith('ERR_SSL_') === true) {
    onClientError('tls');
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
  socket.end(lastAnswer(refusal));
}

/** An answer outside of any request, after which the connection ends. */
function lastAnswer(refusal: OciError): string {
  const body = errorBody(refusal);
  const fields = ['Connection', 'close', 'Content-Type', 'application/json', ...ALWAYS, 'Content-Length', String(Buffer.byteLength(body))];
  let head = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n`;
  for (let i = 0; i < fields.length; i += 2) head += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${head}\r\n${body}`;
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
