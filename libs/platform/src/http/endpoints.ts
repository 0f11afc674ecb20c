import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Telemetry } from '../telemetry/telemetry.js';
import { writeError } from './error-writer.js';
import type { ReportError } from './error-writer.js';
import { Exchange } from './exchange.js';
import type { ObserveRequest } from './front-controller.js';
import { endRequestSpan, traceRequest } from './request-span.js';
import type { ClientCertificate } from './tls/client-certificate.js';

/** What logs, metrics and traces call an endpoint outside `/v2/`. */
export type EndpointKind = 'token' | 'keys' | 'management';

/** An endpoint outside `/v2/` that a function answers and no controller. Metrics, log and errors are those of `/v2/`. */
export interface Endpoint {
  readonly kind: EndpointKind;
  /** As the client sends it, byte for byte; with a slash at its end it stands for everything below it too. */
  readonly path: string;
  /** Of any method. Throws as a Handler does. */
  readonly answer: (exchange: Exchange) => void | Promise<void>;
}

export interface EndpointsOptions {
  readonly endpoints: readonly Endpoint[];
  readonly observe: ObserveRequest;
  readonly report: ReportError;
  /** As the front controller has it. */
  readonly certificateOf?: (request: IncomingMessage) => ClientCertificate | undefined;
  /** Without it no trace is recorded. */
  readonly telemetry?: Telemetry;
}

/** The second way in, for paths outside `/v2/`. */
export class Endpoints {
  constructor(private readonly options: EndpointsOptions) {}

  /** Answers a request to one of the endpoints; false, and nothing done, where it is to none. Never throws and never rejects. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const [path = ''] = (request.url ?? '').split('?', 1);
    const endpoint = this.options.endpoints.find((one) => stands(one.path, path));
    if (endpoint === undefined) return false;
    const startedAt = performance.now();
    const exchange = new Exchange(request, response, this.options.certificateOf);
    exchange.endpoint = endpoint.kind;
    const { telemetry } = this.options;
    if (telemetry === undefined) this.answer(endpoint, exchange, startedAt);
    else traceRequest(telemetry, exchange, startedAt, () => this.answer(endpoint, exchange, startedAt));
    return true;
  }

  private answer(endpoint: Endpoint, exchange: Exchange, startedAt: number): void {
    new Promise<void>((resolve) => resolve(endpoint.answer(exchange)))
      .catch((error: unknown) => writeError(exchange, error, this.options.report))
      .finally(() => {
        this.options.observe(exchange, endpoint.kind, startedAt);
        if (exchange.span !== undefined) endRequestSpan(exchange.span, exchange);
      })
      .catch((error: unknown) => this.options.report(error, exchange));
  }
}

function stands(endpoint: string, path: string): boolean {
  return endpoint === path || (endpoint.endsWith('/') && (path.startsWith(endpoint) || path === endpoint.slice(0, -1)));
}

/** What answers a path outside `/v2/`: an endpoint, or else the controllers. */
export function beforeControllers(endpoints: Endpoints, controllers: RequestListener): RequestListener {
  return (request, response) => {
    if (!endpoints.handle(request, response)) controllers(request, response);
  };
}
