import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { RegistryError } from '@waybill/oci';
import { errorCode } from '../error-code.js';
import { NO_TELEMETRY } from '../telemetry/telemetry.js';
import type { Telemetry } from '../telemetry/telemetry.js';
import { TrustedProxies } from './client-address.js';
import { beforeControllers, Endpoints } from './endpoints.js';
import type { Endpoint } from './endpoints.js';
import type { Exchange } from './exchange.js';
import { FrontController } from './front-controller.js';
import type { ObserveRequest } from './front-controller.js';
import type { Guard, Handlers } from './handler.js';
import { Health } from './health.js';
import type { HealthCheck } from './health.js';
import { logAccess } from './logging.js';
import type { Logger } from './logging.js';
import { createMetricsServer } from './metrics-server.js';
import type { Metrics } from '../metrics/metrics.js';
import { HTTP_LIMITS } from './limits.js';
import type { HttpLimits } from './limits.js';
import { createHttpServer } from './server.js';
import type { HttpServer } from './server.js';
import { readTlsMaterial } from './tls/tls-material.js';
import type { TlsSettings } from './tls/tls-material.js';
import { TlsReload } from './tls/tls-reload.js';
import type { TlsListener } from './tls/tls-server.js';

export interface Address {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export interface HttpOptions {
  /** The domains; their controllers answer every path outside `/v2/`. */
  readonly module: Type | DynamicModule;
  readonly handlers: Partial<Handlers>;
  readonly guard: Guard;
  /** Answered outside `/v2/`, before the controllers are asked; none unless given. */
  readonly endpoints?: readonly Endpoint[];
  readonly address: Address;
  /** Other processes listen on the same address, each with a queue of connections of its own. Linux only. */
  readonly shared?: boolean;
  /** Without it there is no second listener. */
  readonly metricsAddress?: Address;
  readonly limits?: Partial<HttpLimits>;
  /** Without it the main address speaks plain http. */
  readonly tls?: TlsSettings | undefined;
  /** Whose word about a client's address the access log takes; nobody's unless given. */
  readonly trusted?: TrustedProxies;
  /** Milliseconds between not being ready and not listening: whoever sends requests here takes notice meanwhile. 0 unless given. */
  readonly graceMs?: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told of each answered request of /v2/, after it was counted. */
  readonly answered?: ObserveRequest;
  /** Without it no trace is recorded. */
  readonly telemetry?: Telemetry;
  readonly checks: readonly HealthCheck[];
}

export interface RunningHttp {
  readonly app: INestApplication;
  /** With the port that was really taken. */
  readonly address: Address;
  readonly metricsAddress: Address | undefined;
  /**
   * Not ready, wait `graceMs`, stop listening, let running requests finish, then stop the application: its background work may serve those requests.
   * May be called again; every call waits for the same end.
   */
  close(): Promise<void>;
}

/** An address cannot be listened on. The message says why and what to do. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** What stands outside Nest: Nest gets a server to put its controllers behind, and never listens itself. */
interface Front {
  readonly health: Health;
  readonly metricsServer: Server | undefined;
  readonly http: HttpServer;
  readonly reload: TlsReload | undefined;
  /** Nest is there only after its server is; nothing listens before both are. */
  readonly setOther: (answer: RequestListener) => void;
}

/**
 * Starts the application and answers HTTP when it resolves. Throws AddressRefused, or what the module throws while it starts; then nothing
 * is left running.
 */
export async function startHttp(options: HttpOptions): Promise<RunningHttp> {
  refuseSameAddress(options);
  // Nest and Fastify are 0.3 s and 40 MB: who imports this library and serves no HTTP does not load them.
  const { createShell } = await import('./nest-shell.js');
  const front = createFront(options, options.tls && { settings: options.tls, material: await readTlsMaterial(options.tls) });
  let app: INestApplication | undefined;
  try {
    const shell = await createShell({ module: options.module, server: front.http.server, health: front.health, logger: options.logger });
    app = shell.app;
    front.setOther(shell.answer);
    const { metricsServer } = front;
    const metricsAddress = metricsServer && options.metricsAddress ? await listen(metricsServer, { ...options.metricsAddress, key: 'metrics.address' }) : undefined;
    const address = await listen(front.http.server, { ...options.address, key: 'http.address', shared: options.shared });
    let closed: Promise<void> | undefined;
    return { app, address, metricsAddress, close: () => (closed ??= stop(front, shell.app, options)) };
  } catch (error) {
    await stop(front, app, options);
    throw error;
  }
}

function createFront(options: HttpOptions, tls: TlsListener | undefined): Front {
  const { logger, metrics } = options;
  const trusted = options.trusted ?? new TrustedProxies([]);
  const health = new Health(options.checks, (check, err) => logger.warn({ check, err }, 'a health check failed'));
  const watch = {
    observe: everyOne(observer(logger, metrics, trusted), options.answered),
    certificateOf: (request: IncomingMessage) => trusted.certificate(request),
    report: (err: unknown, exchange: Exchange) => reportError(logger, err, exchange),
    // one that records nothing is not even asked
    ...(options.telemetry === undefined || options.telemetry === NO_TELEMETRY ? {} : { telemetry: options.telemetry }),
  };
  const controller = new FrontController({ handlers: options.handlers, guard: options.guard, ...watch });
  const endpoints = new Endpoints({ endpoints: options.endpoints ?? [], ...watch });
  let other: RequestListener = (_, response) => response.destroy();
  const http = createHttpServer({
    limits: { ...HTTP_LIMITS, ...options.limits },
    registry: (request, response, expectsContinue) => controller.handle(request, response, expectsContinue),
    other: (request, response) => other(request, response),
    onClientError: (reason) => metrics.clientError(reason),
    ...(tls === undefined ? {} : { tls }),
  });
  gaugeConnections(metrics, http);
  const reload = tls && followFiles(tls, http, options);
  gaugeChecks(metrics, health, options.checks);
  gaugeSpans(metrics, options.telemetry ?? NO_TELEMETRY);
  return { health, http, reload, metricsServer: options.metricsAddress && createMetricsServer(metrics, health), setOther: (answer) => (other = beforeControllers(endpoints, answer)) };
}

function followFiles({ settings, material }: TlsListener, http: HttpServer, { logger, metrics }: HttpOptions): TlsReload {
  const reload = new TlsReload({
    settings,
    material,
    use: (next, before) => {
      http.useMaterial(next, before);
      logger.info({ certificate: settings.certFile, expires: next.expires }, 'the TLS files have changed: new connections get the new certificate');
    },
    onRefused: (err) => logger.error({ err }, 'the TLS files have changed and cannot be used: the old ones stay'),
  });
  metrics.counter('waybill_tls_reloads_total', () => reload.counts.loaded, { outcome: 'loaded' });
  metrics.counter('waybill_tls_reloads_total', () => reload.counts.refused, { outcome: 'refused' });
  metrics.gauge('waybill_tls_certificate_expires_seconds', () => reload.material.expires.getTime() / 1000);
  return reload;
}

function gaugeConnections(metrics: Metrics, http: HttpServer): void {
  const { connections } = http;
  metrics.gauge('waybill_http_open_connections', () => http.size);
  metrics.gauge('waybill_http_open_requests', () => connections.requests);
  metrics.counter('waybill_http_bytes_received_total', () => connections.bytes.received);
  metrics.counter('waybill_http_bytes_sent_total', () => connections.bytes.sent);
}

function gaugeChecks(metrics: Metrics, health: Health, checks: readonly HealthCheck[]): void {
  for (const { name } of checks) {
    metrics.gauge('waybill_check_ok', async () => {
      const result = (await health.readiness()).checks[name];
      if (result === undefined) throw new Error('the process is stopping: it looks at nothing any more');
      return result === 'ok' ? 1 : 0;
    }, { check: name });
  }
}

function gaugeSpans(metrics: Metrics, telemetry: Telemetry): void {
  for (const outcome of ['exported', 'failed', 'dropped'] as const) metrics.counter('waybill_telemetry_spans_total', () => telemetry.counts[outcome], { outcome });
}

function everyOne(first: ObserveRequest, second: ObserveRequest | undefined): ObserveRequest {
  if (second === undefined) return first;
  return (exchange, kind, startedAt) => {
    first(exchange, kind, startedAt);
    second(exchange, kind, startedAt);
  };
}

/** Chosen once: a log that would drop the line costs a request nothing. */
function observer(logger: Logger, metrics: Metrics, trusted: TrustedProxies): ObserveRequest {
  const count: ObserveRequest = (exchange, kind, startedAt) => metrics.observe(kind, exchange.status, performance.now() - startedAt);
  if (!logger.isLevelEnabled('info')) return count;
  return (exchange, kind, startedAt) => {
    const milliseconds = performance.now() - startedAt;
    metrics.observe(kind, exchange.status, milliseconds);
    logAccess(logger, exchange, exchange.parsed, milliseconds, trusted.client(exchange.request).address);
  };
}

/** A dependency that is away is expected to happen and is repeated by the client; everything else is a bug. */
function reportError(logger: Logger, err: unknown, exchange: Exchange): void {
  const fields = { err, traceId: exchange.traceId, requestId: exchange.requestId, kind: exchange.parsed?.kind ?? exchange.endpoint };
  if (err instanceof RegistryError) logger.warn(fields, 'the request could not be served');
  else logger.error(fields, 'the request failed');
}

/** The system would only say that the address is taken, by us. */
function refuseSameAddress({ address, metricsAddress }: HttpOptions): void {
  if (address.port === 0 || address.port !== metricsAddress?.port) return;
  if (address.host !== metricsAddress.host && !ANY_HOST.has(address.host) && !ANY_HOST.has(metricsAddress.host)) return;
  throw new AddressRefused(`http.address (${address.host}:${address.port}) and metrics.address (${metricsAddress.host}:${metricsAddress.port}) are the same: give one of them another port`);
}

const ANY_HOST = new Set(['0.0.0.0', '::']);

/**
 * Whether `http.address` can be had, for a process that starts others to listen there: of several that share an address, the system refuses none. Gives
 * it with the port that the system chose. Throws AddressRefused.
 */
export async function probeAddress(address: Address): Promise<Address> {
  const server = createServer();
  const found = await listen(server, { ...address, key: 'http.address' });
  server.close();
  await once(server, 'close');
  return found;
}

async function listen(server: Server, { host, port, key, shared = false }: Address & { readonly key: string; readonly shared?: boolean | undefined }): Promise<Address> {
  // a worker that is not exclusive asks the first process to listen for it
  server.listen({ host, port, ...(shared ? { exclusive: true, reusePort: true } : {}) });
  try {
    await once(server, 'listening');
  } catch (error) {
    throw refused(error, `${host}:${port}`, key);
  }
  const address = server.address();
  return typeof address === 'object' && address !== null ? { host: address.address, port: address.port } : { host, port };
}

function refused(error: unknown, address: string, key: string): Error {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new AddressRefused(`${address} is in use by another process: stop that one, or give ${key} another port`, { cause: error });
    case 'EACCES':
      return new AddressRefused(`this user may not listen on ${address}: give ${key} a port above 1023, or allow it to this process`, { cause: error });
    case 'EADDRNOTAVAIL':
      return new AddressRefused(`${address} is not an address of this machine: give ${key} one that is, or 0.0.0.0 for all`, { cause: error });
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new AddressRefused(`the host of ${address} is not known: give ${key} an address of this machine`, { cause: error });
    default:
      return new AddressRefused(`cannot listen on ${address} (${key})`, { cause: error });
  }
}

async function stop({ health, http, reload, metricsServer }: Front, app: INestApplication | undefined, { logger, graceMs = 0 }: HttpOptions): Promise<void> {
  health.stop();
  reload?.stop();
  if (graceMs > 0 && http.server.listening) await sleep(graceMs);
  try {
    const cut = await http.close();
    if (cut > 0) logger.warn({ connections: cut }, 'connections were cut because their requests did not finish in time');
  } finally {
    try {
      await app?.close();
    } finally {
      metricsServer?.close();
      metricsServer?.closeAllConnections();
    }
  }
}
