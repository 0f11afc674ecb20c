import { RegistryError, errorBody, internalError } from '@waybill/oci';
import type { Exchange } from './exchange.js';

/** Milliseconds for which the rest of a refused body is read and thrown away, so that the client gets to read the answer. */
const DRAIN = 10_000;

/** Told of every error that is a bug or a fault of ours, with what identifies the request. */
export type ReportError = (error: unknown, exchange: Exchange) => void;

/**
 * Answers a request that failed: a RegistryError as the spec has it, anything else with 500 and a trace id, and nothing of its text.
 * An answer that has begun cannot be taken back: its connection is cut, so that no client takes a part for the whole.
 */
export function writeError(exchange: Exchange, error: unknown, report: ReportError): void {
  const { request, response } = exchange;
  if (!(error instanceof RegistryError) || error.status >= 500) report(error, exchange);
  if (response.destroyed || response.writableEnded) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof RegistryError ? error : internalError(exchange.traceId, error);
  const headers = Object.entries(known.headers).flat();
  if (request.method === 'HEAD') exchange.reply(known.status, headers);
  else exchange.reply(known.status, ['Content-Type', 'application/json', ...headers], errorBody(known));
  if (!request.complete) drain(exchange);
}

function drain({ request }: Exchange): void {
  const cut = setTimeout(() => request.destroy(), DRAIN);
  cut.unref();
  request.once('close', () => clearTimeout(cut));
  request.resume();
}
