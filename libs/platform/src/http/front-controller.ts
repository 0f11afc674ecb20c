import type { IncomingMessage, ServerResponse } from 'node:http';
import { parseRequest, unsupported } from '@waybill/oci';
import type { OciRequest, RequestKind, RequestOf } from '@waybill/oci';
import type { Telemetry } from '../telemetry/telemetry.js';
import type { EndpointKind } from './endpoints.js';
import { writeError } from './error-writer.js';
import type { ReportError } from './error-writer.js';
import { Exchange } from './exchange.js';
import type { Guard, Handlers } from './handler.js';
import type { ClientCertificate } from './tls/client-certificate.js';
import { endRequestSpan, traceRequest } from './request-span.js';

/** What is told about each answered request. `kind` is undefined where the request could not be parsed. */
export type ObserveRequest = (exchange: Exchange, kind: RequestKind | EndpointKind | undefined, startedAt: number) => void;

export interface FrontControllerOptions {
  /** The endpoints that this process serves; the whole table in one process, a part of it in a service. */
  readonly handlers: Partial<Handlers>;
  readonly guard: Guard;
  readonly observe: ObserveRequest;
  readonly report: ReportError;
  /** Whose word about the certificate of a client counts; its connection's alone unless given. */
  readonly certificateOf?: (request: IncomingMessage) => ClientCertificate | undefined;
  /** Without it no trace is recorded. */
  readonly telemetry?: Telemetry;
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
    const exchange = new Exchange(incoming, response, this.options.certificateOf);
    const { telemetry } = this.options;
    if (telemetry === undefined) this.answer(exchange, expectsContinue, startedAt);
    else traceRequest(telemetry, exchange, startedAt, () => this.answer(exchange, expectsContinue, startedAt));
  }

  private answer(exchange: Exchange, expectsContinue: boolean, startedAt: number): void {
    const { method = '', url = '' } = exchange.request;
    try {
      const request = parseRequest(method, url);
      exchange.parsed = request;
      const done = this.dispatch(request, exchange, expectsContinue);
      if (done === undefined) return this.end(exchange, startedAt);
      done.then(() => this.end(exchange, startedAt), (error: unknown) => this.fail(exchange, error, startedAt));
    } catch (error) {
      this.fail(exchange, error, startedAt);
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

  private fail(exchange: Exchange, error: unknown, startedAt: number): void {
    writeError(exchange, error, this.options.report);
    this.end(exchange, startedAt);
  }

  private end(exchange: Exchange, startedAt: number): void {
    this.options.observe(exchange, exchange.parsed?.kind, startedAt);
    if (exchange.span !== undefined) endRequestSpan(exchange.span, exchange);
  }
}
