import { OciError } from '@waybill/oci';
import type { OciRequest } from '@waybill/oci';
import type { TrustedProxies } from '../http/client-address.js';
import type { Endpoint } from '../http/endpoints.js';
import type { Exchange } from '../http/exchange.js';
import { traceForward } from '../http/request-span.js';
import { hasBody } from '../http/has-body.js';
import type { HealthCheck } from '../http/health.js';
import { requestHead } from './forwarded-headers.js';
import type { BodyFraming } from './forwarded-headers.js';
import { Hop, changesNothing } from './hop.js';
import { AnswerTimeout } from './replica-connection.js';
import { RequestBody } from './request-body.js';
import { BadAnswer } from './response-head.js';
import type { Replica, Service } from './service.js';

/** Sends a request of any kind to one service. */
export type ForwardTo = (request: OciRequest, exchange: Exchange) => Promise<void>;

/** Seconds after which a client may try again: a replica that was restarted is back by then. */
const RETRY_AFTER = '2';
/** Replicas that one request is tried at. */
const ATTEMPTS = 3;

/**
 * The one address in front of services: sends each request to a replica of the service that answers its kind, and streams both ways. It decides
 * nothing about who may do what: each service does that for itself.
 */
export class Gateway {
  /** Requests that went to another replica because the first one was not there. */
  retries = 0;

  constructor(private readonly services: readonly Service[], private readonly trusted: TrustedProxies) {}

  async start(): Promise<void> {
    await Promise.all(this.services.map((service) => service.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.services.map((service) => service.stop()));
  }

  /** Ready where each of `needed` has a replica that is. */
  checks(needed: readonly Service[] = this.services): HealthCheck[] {
    return needed.map((service) => ({
      name: service.name,
      check: () => (service.count('ready') > 0 ? Promise.resolve() : Promise.reject(new Error(`no replica of the service ${service.name} is ready`))),
    }));
  }

  /** The handler of every kind of request that `service` answers. */
  to(service: Service): ForwardTo {
    return (request, exchange) => this.pass(service, exchange, 'upload' in request ? request.upload : undefined);
  }

  /** What `service` answers outside `/v2/`. */
  endpoints(service: Service, paths: readonly Omit<Endpoint, 'answer'>[]): Endpoint[] {
    return paths.map((path) => ({ ...path, answer: (exchange) => this.pass(service, exchange) }));
  }

  private pass(service: Service, exchange: Exchange, upload?: string): Promise<void> {
    return traceForward(service.name, exchange, () => this.forward(service, exchange, upload));
  }

  /**
   * Another replica is tried where the first cannot be reached: it has seen nothing. One that went away in the middle may have done what was asked, so
   * only what changes nothing is repeated then, and only while the client has nothing of the answer.
   * @throws OciError UNAVAILABLE (503)
   */
  private async forward(service: Service, exchange: Exchange, upload: string | undefined): Promise<void> {
    const framing = bodyFraming(exchange);
    const head = requestHead(exchange, this.trusted.client(exchange.request), framing);
    let tried: Set<Replica> | undefined;
    let failure: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const replica = service.choose(tried, upload);
      if (replica === undefined) break;
      const body = framing === 'none' ? undefined : new RequestBody(exchange.request, framing === 'chunked');
      const hop = new Hop(replica, exchange, { head, body, answerMs: service.answerMs });
      try {
        return await hop.run();
      } catch (error) {
        failure = error;
        if (hop.answered || isGone(exchange)) throw error;
        // a request that takes too long takes as long elsewhere, and says nothing of the replica
        if (error instanceof AnswerTimeout) throw brokenOff(service, error);
        // the replica is there and answers: another one would answer the same, and one request must not make each of them count as failing
        if (error instanceof BadAnswer) throw unreadable(service, error);
        // a client that stalls in its body is cut by whoever looks first, which may be the replica
        if (!isSending(exchange, body)) service.lost(replica, hop.sent ? 'failing' : 'away');
        if (hop.sent && !changesNothing(exchange)) throw brokenOff(service, error);
        (tried ??= new Set()).add(replica);
        this.retries += 1;
      }
    }
    throw nobodyAnswers(service, failure);
  }
}

/** A body where none is expected stays unread, as a service would leave it. */
function bodyFraming({ request }: Exchange): BodyFraming {
  if ((request.method !== 'POST' && request.method !== 'PUT' && request.method !== 'PATCH') || !hasBody(request)) return 'none';
  return request.headers['transfer-encoding'] === undefined ? 'length' : 'chunked';
}

function isGone({ request, response }: Exchange): boolean {
  return response.destroyed || request.socket.destroyed;
}

/** Whether the replica waited for the client. */
function isSending({ request }: Exchange, body: RequestBody | undefined): boolean {
  return body?.taken === true && !request.complete;
}

function nobodyAnswers({ name }: Service, cause: unknown): OciError {
  return new OciError('UNAVAILABLE', `no replica of the service ${name} answers at the moment; nothing was changed, please retry`, { headers: { 'Retry-After': RETRY_AFTER }, cause });
}

function brokenOff({ name }: Service, cause: unknown): OciError {
  return new OciError('UNAVAILABLE', `the service ${name} went away, or took too long, before it answered; look whether the request took effect, or repeat it`, { headers: { 'Retry-After': RETRY_AFTER }, cause });
}

function unreadable({ name }: Service, cause: unknown): OciError {
  return new OciError('UNAVAILABLE', `the gateway cannot read what the service ${name} answered; look whether the request took effect, and tell who runs this registry`, { headers: { 'Retry-After': RETRY_AFTER }, cause });
}
