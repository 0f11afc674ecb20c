import { Module } from '@nestjs/common';
import { Gateway, Metrics, openTelemetry, Service, startHttp, TrustedProxies } from '@waybill/platform';
import type { Config, Logger, ReplicaState } from '@waybill/platform';
import { gatewayHandlers } from './roles.js';
import { graceMs, limitsOf } from './start-roles.js';
import type { RunningProcess } from './start-roles.js';

const STATES: readonly ReplicaState[] = ['ready', 'failing', 'away'];

/** What the service `tokens` answers, beside nothing below `/v2/`; the last one alone where others give out tokens, or nobody does. */
const TOKEN_PATHS = [{ kind: 'token', path: '/token' }, { kind: 'keys', path: '/.well-known/jwks.json' }, { kind: 'management', path: '/api/v1/' }] as const;

/** Serves the one address in front of the services. It needs neither the database nor the storage. Rejects as startRoles does. */
export async function startGateway(config: Config, logger: Logger): Promise<RunningProcess> {
  const service = (name: 'blobs' | 'manifests' | 'tokens'): Service => new Service({
    name,
    addresses: config.gateway[name],
    answerMs: config.gateway.answerTimeout * 1000,
    onState: ({ origin, state }) => logger[state === 'ready' ? 'info' : 'warn']({ service: name, replica: origin, state }, 'a replica changed its state'),
  });
  const telemetry = await openTelemetry(config.telemetry, 'gateway', logger);
  const [blobs, manifests] = [service('blobs'), service('manifests')];
  const trusted = new TrustedProxies(config.http.trustedProxies, config.http.trustClientCert);
  // without it nobody gets a new token, and whoever has one is served
  const tokens = config.gateway.tokens.length > 0 ? service('tokens') : undefined;
  const services = [blobs, manifests, ...(tokens === undefined ? [] : [tokens])];
  const gateway = new Gateway(services, trusted);
  await gateway.start();
  const metrics = new Metrics('gateway');
  for (const one of services) {
    for (const state of STATES) metrics.gauge('waybill_gateway_replicas', () => one.count(state), { service: one.name, state });
  }
  metrics.counter('waybill_gateway_retries_total', () => gateway.retries);
  try {
    const http = await startHttp({
      module: GatewayModule,
      handlers: gatewayHandlers(gateway.to(blobs), gateway.to(manifests)),
      endpoints: tokens === undefined ? [] : gateway.endpoints(tokens, TOKEN_PATHS.filter(({ kind }) => kind === 'management' || !['htpasswd', 'external'].includes(config.auth.mode))),
      // each service decides for itself
      guard: () => undefined,
      address: config.http.address,
      tls: config.http.tls,
      metricsAddress: config.metrics.address,
      limits: limitsOf(config),
      graceMs: graceMs(config, true),
      trusted,
      logger,
      metrics,
      telemetry,
      checks: gateway.checks([blobs, manifests]),
    });
    const close = async (): Promise<void> => {
      await http.close();
      await gateway.stop();
      await telemetry.close();
    };
    return { http, close };
  } catch (error) {
    await gateway.stop();
    await telemetry.close();
    throw error;
  }
}

/** Nothing but the shell: a gateway has no domain. */
@Module({})
class GatewayModule {}
