import type { Dispatcher } from 'undici';
import { countChunk } from '../chunk-garbage.js';
import { endAfterBody } from '../http/error-writer.js';
import type { Exchange } from '../http/exchange.js';
import { responseHeaders } from './forwarded-headers.js';
import type { RequestBody } from './request-body.js';
import type { Replica } from './service.js';

/** What goes to the replica. */
export interface Outgoing {
  readonly headers: string[];
  readonly body: RequestBody | undefined;
}

/**
 * One request at one replica: streams the body there and the answer back, each side waiting for the other. Whoever goes away takes the other side
 * along; an answer that broke off ends the client's connection, so that no part is taken for the whole.
 */
export class Hop implements Dispatcher.DispatchHandler {
  /** The request is on its way: the replica may have done what it asks. */
  sent = false;
  /** The client has the beginning of an answer. */
  answered = false;
  private controller: Dispatcher.DispatchController | undefined;
  private resolve: () => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;

  constructor(private readonly replica: Replica, private readonly exchange: Exchange, private readonly outgoing: Outgoing) {}

  /** Resolves when the answer is the client's. Rejects with what went wrong between here and the replica, or with the client's leaving. */
  async run(): Promise<void> {
    const { request, response } = this.exchange;
    this.replica.pending += 1;
    response.once('close', this.onClose);
    try {
      await new Promise<void>((resolve, reject) => {
        this.resolve = resolve;
        this.reject = reject;
        const { headers, body } = this.outgoing;
        // reset: undici would else close the connection of every HEAD
        this.replica.pool.dispatch({ method: methodOf(request.method), path: request.url ?? '/', headers, body: body ?? null, reset: false }, this);
      });
    } finally {
      response.off('close', this.onClose);
      this.replica.pending -= 1;
    }
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.sent = true;
    this.controller = controller;
    if (this.exchange.response.destroyed) controller.abort(clientGone());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return;
    const { exchange } = this;
    const { response } = exchange;
    this.answered = true;
    exchange.status = status;
    // the replica refused the rest of the body: so do we
    if (this.outgoing.body !== undefined && !exchange.request.complete) response.shouldKeepAlive = false;
    response.writeHead(status, responseHeaders(Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []));
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { exchange } = this;
    exchange.bytes += chunk.length;
    countChunk(chunk.length);
    if (exchange.response.write(chunk)) return;
    controller.pause();
    exchange.response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    const { exchange } = this;
    if (exchange.response.shouldKeepAlive || exchange.request.complete) exchange.response.end();
    else this.endEarly();
    this.resolve();
  }

  /** The client has not sent all of its body yet: it gets the whole answer now, and the rest of the body is read by nobody else. */
  private endEarly(): void {
    this.exchange.response.flushHeaders();
    // undici destroys the body after this call, which would stop the reading again
    this.outgoing.body?.destroy();
    setImmediate(() => endAfterBody(this.exchange));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.reject(error);
  }

  private readonly onClose = (): void => {
    if (!this.exchange.response.writableFinished) this.controller?.abort(clientGone());
  };
}

/** By its code the one who answers knows that nobody is there to be told (error-writer.ts). */
function clientGone(): Error {
  return Object.assign(new Error('the client went away'), { code: 'ECONNRESET' });
}

const METHODS: Readonly<Record<string, Dispatcher.HttpMethod>> = { GET: 'GET', HEAD: 'HEAD', POST: 'POST', PUT: 'PUT', PATCH: 'PATCH', DELETE: 'DELETE' };

function methodOf(method: string | undefined): Dispatcher.HttpMethod {
  const known = METHODS[method ?? ''];
  if (known === undefined) throw new Error(`The request grammar let the method ${method} pass, which no endpoint has.`);
  return known;
}
