import type { IncomingMessage } from 'node:http';
import { RegistryError, errorBody, internalError } from '@waybill/oci';
import { errorCode } from '../error-code.js';
import type { Exchange } from './exchange.js';
import { PROBLEM_TYPE, problemBody } from './problem.js';

/** Milliseconds for which the rest of a refused body is read and thrown away, so that the client gets to read the answer. */
const DRAIN = 10_000;
/** Bytes of a body that are worth a connection. */
const SMALL = 64 * 1024;

/** Told of every error that is a bug or a fault of ours, with what identifies the request. */
export type ReportError = (error: unknown, exchange: Exchange) => void;

/**
 * Answers a request that failed: a RegistryError as the spec has it, anything else with 500 and a trace id, and nothing of its text.
 * An answer that has begun cannot be taken back: its connection is cut, so that no client takes a part for the whole.
 */
export function writeError(exchange: Exchange, error: unknown, report: ReportError): void {
  const { request, response } = exchange;
  if (isGone(exchange, error)) return;
  if (!(error instanceof RegistryError) || error.status >= 500) report(error, exchange);
  if (response.destroyed || response.writableEnded) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof RegistryError ? error : internalError(exchange.traceId, error);
  const isProblem = exchange.endpoint === 'management';
  const headers = ['Content-Type', isProblem ? PROBLEM_TYPE : 'application/json', ...Object.entries(known.headers).flat()];
  const body = isProblem ? problemBody(known) : errorBody(known);
  // To HEAD goes the head that GET would get (RFC 9110 section 9.3.2): without a length some clients wait for the end of the connection.
  if (request.complete || request.method === 'HEAD' || !announcesBody(request)) exchange.reply(known.status, headers, body);
  else replyToUnread(exchange, known.status, headers, body);
}

/** Node says of a request without a body too that it is not complete, as long as it hands it over. */
function announcesBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

const GONE = new Set(['ECANCELED', 'ECONNRESET', 'EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_PREMATURE_CLOSE']);

/**
 * The client went away while it was answered: nobody is there to be told, and nothing of ours failed. A write fails before its response
 * knows, so the socket is asked as well; an error of the same name from a connection of ours (a storage's) leaves both as they are.
 */
function isGone({ request, response }: Exchange, error: unknown): boolean {
  return (response.destroyed || request.socket.destroyed) && GONE.has(errorCode(error) ?? '');
}

/**
 * Answers while the body is still coming, or is held back for a 100 that will not be sent. Closing at once would reset the connection, and
 * a reset overtakes the answer; so the answer goes out whole, and the connection ends when the body does or at the deadline. A small body
 * that is on its way is read, and its connection lives on.
 */
function replyToUnread(exchange: Exchange, status: number, headers: readonly string[], body: string): void {
  const { request } = exchange;
  request.resume();
  if (request.headers.expect === undefined && Number(request.headers['content-length']) <= SMALL) {
    exchange.reply(status, headers, body);
    return;
  }
  exchange.replyAndLinger(status, headers, body);
  endAfterBody(exchange);
}

/**
 * Ends an answer, all of which was written with `Connection: close`, when the body of its request does, or at a deadline. The rest of the body is
 * read and thrown away.
 */
export function endAfterBody({ request, response }: Exchange): void {
  const cut = setTimeout(() => request.destroy(), DRAIN);
  cut.unref();
  request.once('close', () => clearTimeout(cut)).once('end', () => response.end()).resume();
}
