import cluster from 'node:cluster';
import { Metrics, openTelemetry, startHttp, TrustedProxies } from '@waybill/platform';
import type { Config, HealthCheck, HttpLimits, Logger, RunningHttp } from '@waybill/platform';
import { both, openAccess } from './access.js';
import { openDatabaseServer, warnOfTooFewSessions } from './database-server.js';
import { buildInfrastructure } from './infrastructure.js';
import type { Infrastructure } from './infrastructure.js';
import { makeFirstAdmin } from './first-admin.js';
import type { Gate } from './gate.js';
import { limitEndpoint, limitGuard } from './limits.js';
import { SHARES_ADDRESS } from './workers.js';
import { openAudit } from './open-audit.js';
import { gaugeRelay } from './open-relay.js';
import { policyGuard } from './policy.js';
import { assemble, ROLES } from './roles.js';
import type { Role } from './roles.js';
import { wakeSealer } from './sealing.js';
import { openTokens } from './tokens-role.js';

/** Seconds that a committed event may wait for its number before the process says that it is not ready. */
const SEALER_LAG = 30;

/** A process that serves. */
export interface RunningProcess {
  readonly http: RunningHttp;
  /** Of the user admin, where this start made it and nobody had chosen one: to be shown this once. */
  readonly secret?: string | undefined;
  /** Finishes running requests, then ends everything that was started, in the reverse order. */
  readonly close: () => Promise<void>;
}

/** Serves the roles from this process. Rejects with an error whose message is fit for a person; nothing is left running then. */
export async function startRoles(roles: readonly Role[], config: Config, logger: Logger): Promise<RunningProcess> {
  const ends: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const telemetry = await openTelemetry(config.telemetry, roles.length === ROLES.length ? 'registry' : roles.join('-'), logger);
    ends.push(() => telemetry.close());
    const metrics = new Metrics(roles.join(','));
    const server = await openDatabaseServer(config, logger);
    ends.push(() => server.stop());
    const infrastructure = await buildInfrastructure(roles, config, server.url, { logger, metrics, telemetry });
    ends.push(() => infrastructure.close());
    // of workers, the first process has said it
    if (cluster.isPrimary) await warnOfTooFewSessions(config, infrastructure.database, (text) => logger.warn(text));
    const secret = await makeFirstAdmin(roles, config, infrastructure);
    const trusted = new TrustedProxies(config.http.trustedProxies, config.http.trustClientCert);
    const access = await openAccess(roles, config, infrastructure, trusted);
    ends.push(() => access.close());
    const audit = await openAudit(roles, config, infrastructure, trusted);
    ends.push(() => audit.close());
    const http = await serve(roles, config, infrastructure, { access, audit, trusted });
    ends.push(() => http.close());
    return { http, secret, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function serve(roles: readonly Role[], config: Config, infrastructure: Infrastructure, gate: Gate): Promise<RunningHttp> {
  const { access, audit, trusted } = gate;
  const { module: registry, handlers } = assemble(roles, config, infrastructure);
  const tokens = await openTokens(roles, config, infrastructure, gate);
  const { sealer } = infrastructure;
  const { metrics, telemetry } = infrastructure;
  gauge(metrics, infrastructure);
  return startHttp({
    module: { module: ProcessModule, imports: [registry, ...(tokens?.modules ?? [])] },
    endpoints: (tokens?.endpoints ?? []).map((endpoint) => limitEndpoint(endpoint, config.limits, trusted)),
    handlers: sealer === undefined ? handlers : wakeSealer(handlers, () => sealer.poke()),
    guard: limitGuard(both(access.guard, policyGuard(config.registry)), config.limits, trusted),
    address: config.http.address,
    shared: cluster.isWorker && SHARES_ADDRESS,
    tls: config.http.tls,
    metricsAddress: config.metrics.address,
    limits: limitsOf(config),
    graceMs: graceMs(config, roles.length < ROLES.length),
    trusted,
    ...(audit.answered === undefined ? {} : { answered: audit.answered }),
    logger: infrastructure.logger,
    metrics,
    telemetry,
    checks: [...checksOf(infrastructure, roles.length === 1), ...(tokens?.checks ?? []), ...access.checks],
  });
}

class ProcessModule {}

/** Seconds after which every gateway has asked again (it does each second). */
const GRACE = 2;

/** @param isPart of a registry that has a gateway or a load balancer in front */
export function graceMs({ shutdown }: Config, isPart: boolean): number {
  return (shutdown.grace ?? (isPart ? GRACE : 0)) * 1000;
}

export function limitsOf({ http, shutdown }: Config): Partial<HttpLimits> {
  return {
    maxHeaderBytes: http.maxHeaderBytes,
    maxConnections: http.maxConnections,
    headersTimeoutMs: http.headersTimeout * 1000,
    bodyIdleMs: http.bodyIdleTimeout * 1000,
    responseIdleMs: http.responseIdleTimeout * 1000,
    keepAliveMs: http.keepAliveTimeout * 1000,
    drainMs: shutdown.drainTimeout * 1000,
  };
}

/** Only of what the process itself uses: a service serves while the relay is away. */
function checksOf({ database, bytes, sealer, relay }: Infrastructure, isAlone: boolean): HealthCheck[] {
  const checks: HealthCheck[] = [{ name: 'database', check: async () => void (await database.sql('SELECT 1')) }];
  if (bytes !== undefined) checks.push({ name: 'storage', check: () => bytes.storage.check() });
  if (sealer !== undefined) {
    checks.push({
      name: 'sealer',
      check: async () => {
        const { pendingSeconds } = await sealer.lag();
        if (pendingSeconds > SEALER_LAG) throw new Error(`an event has been waiting for its number for ${Math.round(pendingSeconds)} s, more than ${SEALER_LAG} s`);
      },
    });
  }
  // a process that has other roles too goes on serving them; the metric tells of it
  if (relay !== undefined && isAlone) {
    checks.push({
      name: 'kafka',
      check: () => (relay.refusal === undefined ? Promise.resolve() : Promise.reject(relay.refusal)),
    });
  }
  return checks;
}

/** What another role knows is counted there: this one may have no right to read it. */
function gauge(metrics: Metrics, { database, bytes, sealer, relay }: Infrastructure): void {
  if (sealer !== undefined) {
    metrics.gauge('waybill_log_last_seq', async () => (await sealer.lag()).lastSeq);
    metrics.gauge('waybill_log_pending_seconds', async () => (await sealer.lag()).pendingSeconds);
  }
  if (relay !== undefined) gaugeRelay(metrics, relay);
  if (bytes !== undefined) {
    metrics.gauge('waybill_upload_sessions', async () => {
      const [row] = await database.sql<{ open: string }>(`SELECT count(*) AS open FROM reg.upload_session WHERE state = 'O'`);
      return Number(row?.open ?? 0);
    });
  }
  for (const state of ['open', 'idle', 'waiting'] as const) {
    metrics.gauge('waybill_database_sessions', () => database.stats[state], { state });
  }
}
