import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseRequest, unsupported } from '@waybill/oci';
import type { OciRequest, RequestKind, RequestOf } from '@waybill/oci';
import { writeError } from './error-writer.js';
import type { ReportError } from './error-writer.js';
import { Exchange } from './exchange.js';
import type { Guard, Handlers } from './handler.js';

/** What is told about each answered request. `kind` is undefined where the request could not be parsed. */
export type ObserveRequest = (exchange: Exchange, kind: RequestKind | undefined, startedAt: number) => void;

export interface FrontControllerOptions {
  /** The endpoints that this process serves; the whole table in one process, a part of it in a service. */
  readonly handlers: Partial<Handlers>;
  readonly guard: Guard;
  readonly observe: ObserveRequest;
  readonly report: ReportError;
}

/**
 * The one way in for `/v2/`: parse, guard, dispatch, and the one place that writes errors. A body is not read before the guard has let the
 * request pass; `Expect: 100-continue` is answered at that moment (RFC 9110 section 10.1.1).
 */
export class FrontController {
  constructor(private readonly options: FrontControllerOptions) {}

  /** Never throws and never rejects. */
  handle(incoming: IncomingMessage, response: ServerResponse, expectsContinue = false): void {
    const startedAt = performance.now();
    const exchange = new Exchange(incoming, response);
    let request: OciRequest | undefined;
    try {
      request = parseRequest(incoming.method ?? '', incoming.url ?? '');
      exchange.parsed = request;
      const done = this.dispatch(request, exchange, expectsContinue);
      if (done === undefined) return this.options.observe(exchange, request.kind, startedAt);
      done.then(() => this.options.observe(exchange, request?.kind, startedAt), (error: unknown) => this.fail(exchange, error, request, startedAt));
    } catch (error) {
      this.fail(exchange, error, request, startedAt);
    }
  }

  private dispatch(request: OciRequest, exchange: Exchange, expectsContinue: boolean): void | Promise<void> {
    const guarded = this.options.guard(request, exchange);
    if (guarded !== undefined) return guarded.then(() => this.serve(request, exchange, expectsContinue));
    return this.serve(request, exchange, expectsContinue);
  }

  private serve<K extends RequestKind>(request: RequestOf<K>, exchange: Exchange, expectsContinue: boolean): void | Promise<void> {
    const handler = this.options.handlers[request.kind];
    if (handler === undefined) throw unsupported(`this service does not answer ${request.kind}; ask the registry's own address`, 404);
    if (expectsContinue) exchange.response.writeContinue();
    return handler(request, exchange);
  }

  private fail(exchange: Exchange, error: unknown, request: OciRequest | undefined, startedAt: number): void {
    writeError(exchange, error, this.options.report);
    this.options.observe(exchange, request?.kind, startedAt);
  }
}
