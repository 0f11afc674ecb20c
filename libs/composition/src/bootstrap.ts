import cluster from 'node:cluster';
import { armFailpoint, bodyMemory, ConfigRefused, hostAndPort, loadConfig, openLogger } from '@waybill/platform';
import type { Config, Environment, Logger } from '@waybill/platform';
import { openNetworkFaults } from './open-network.js';
import { isRole, ROLES } from './roles.js';
import type { Role } from './roles.js';
import { startGateway } from './start-gateway.js';
import { setUp } from './set-up.js';
import { startRoles } from './start-roles.js';
import type { RunningProcess } from './start-roles.js';
import { superviseWorkers } from './workers.js';

/** Roles over the log, or a gateway in front of processes that have them. */
type Chosen = readonly Role[] | readonly ['gateway'];

/** What a process runs until it is told to stop. */
export interface Running {
  /** `host:port` that it serves. */
  readonly address: string;
  /** See RunningProcess. */
  readonly secret?: string | undefined;
  readonly close: () => Promise<void>;
}

/**
 * A whole app: reads the configuration, serves the roles until SIGTERM or SIGINT, then ends in order. Logs go to standard error; standard output
 * gets the three lines for a person. A fault is told in plain words and ends the process with 1.
 */
export async function bootstrap(roles: Chosen = ROLES, words: readonly string[] = process.argv.slice(2)): Promise<void> {
  const started = endOnSignal();
  const config = await Promise.resolve().then(() => loadConfig(withOptions(process.env, words))).catch(refuse);
  const chosen = config.roles.length > 0 ? rolesOf(config) : roles;
  const faults = [...roleFaults(chosen, config), ...openNetworkFaults(chosen, config)];
  if (faults.length > 0) refuse(new ConfigRefused(faults));
  const log = openLogger({ level: config.log.level, base: { roles: chosen.join(',') }, destination: 2 });
  if (config.failpoint !== undefined) log.logger.warn({ failpoint: config.failpoint }, 'this process will kill itself: it is being tested');
  armFailpoint(config.failpoint);
  const running = await run(chosen, config, log.logger).catch(refuse);

  started();
  let stopping = false;
  const stop = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    log.logger.info({ reason }, 'stopping');
    running.close().then(() => 0, (err: unknown) => {
      log.logger.error({ err }, 'stopping failed');
      return 1;
    }).then(async (code) => {
      await log.close();
      process.exit(code);
    }, () => process.exit(1));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  // a worker whose primary is gone has lost its database server too
  process.on('disconnect', () => stop('the primary process is gone'));
  // last: whoever is told that we serve may tell us to stop at once
  if (cluster.isPrimary) process.stdout.write(greeting(chosen, running, config));
  else process.send?.({ serves: running.address });
}

/** The set-up step as a whole app: tells on standard output what it does, and ends with 0 once everything is there. */
export async function bootstrapSetUp(): Promise<void> {
  endOnSignal();
  const config = await loadConfig(process.env).catch(refuse);
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  await Promise.resolve().then(() => setUp(config, say)).catch(refuse);
}

function run(roles: Chosen, config: Config, logger: Logger): Promise<Running> {
  if (isGateway(roles)) return serving(startGateway(config, logger));
  if (cluster.isPrimary && config.http.workers > 1) return superviseWorkers(roles, config, logger);
  if (config.http.workers > 1) bodyMemory.share(config.http.workers);
  return serving(startRoles(roles, config, logger));
}

async function serving(starting: Promise<RunningProcess>): Promise<Running> {
  const { http, secret, close } = await starting;
  return { secret, address: hostAndPort(http.address), close };
}

function isGateway(roles: Chosen): roles is readonly ['gateway'] {
  return roles[0] === 'gateway';
}

/** What a process needs that does not do everything. */
function roleFaults(roles: Chosen, config: Config): string[] {
  if (isGateway(roles)) {
    const services = ['blobs', 'manifests', ...(config.auth.mode === 'tokens' ? ['tokens' as const] : [])] as const;
    const faults = services.filter((service) => config.gateway[service].length === 0).map((service) => `gateway.${service} (WAYBILL_GATEWAY_${service.toUpperCase()}) is missing; expected where the service is, such as ${service}:5000`);
    return config.http.workers === 1 ? faults : [...faults, `http.workers is ${config.http.workers}; expected 1 for a gateway: start more of them behind the load balancer`];
  }
  if (roles.length === ROLES.length) return [];
  return [...tokenFaults(roles, config), ...(config.database.url === undefined ? [`database.url (WAYBILL_DATABASE_URL or DATABASE_URL) is missing; expected the database that all services use, because ${roles.join(' and ')} alone cannot have one of its own`] : [])];
}

/** A service has other replicas, and nothing to do where nobody asks it for tokens. */
function tokenFaults(roles: readonly Role[], { auth }: Config): string[] {
  if (!roles.includes('tokens')) return [];
  if (auth.mode === 'none') return roles.length > 1 ? [] : ['auth.mode (WAYBILL_AUTH_MODE) is none; expected another one, because the role tokens gives out tokens, or has the management API of whoever is told apart in another way'];
  return auth.mode === 'tokens' && auth.tokens.keySecret === undefined && auth.tokens.keys === undefined ? ['auth.tokens.keySecret (WAYBILL_AUTH_TOKENS_KEY_SECRET) is missing; expected at least 24 characters, the same for all replicas, because they sign with the same keys, or auth.tokens.keys (WAYBILL_AUTH_TOKENS_KEYS), files with these keys'] : [];
}

function rolesOf(config: Config): Chosen {
  if (config.roles.join(',') === 'gateway') return ['gateway'];
  const unknown = config.roles.filter((name) => !isRole(name));
  if (unknown.length > 0) refuse(new ConfigRefused([`roles (WAYBILL_ROLES) names ${unknown.join(', ')}; expected some of ${ROLES.join(', ')}, or gateway alone`]));
  return config.roles.filter(isRole);
}

/** `--secure` asks for a login, as WAYBILL_AUTH_MODE=tokens does. Throws ConfigRefused for any other word, and where the environment says something else. */
export function withOptions(environment: Environment, words: readonly string[]): Environment {
  const unknown = words.filter((word) => word !== '--secure');
  if (unknown.length > 0) throw new ConfigRefused([`the command line has ${unknown.map((word) => JSON.stringify(word)).join(' and ')}; expected --secure, or nothing`]);
  if (words.length === 0) return environment;
  const { WAYBILL_AUTH_MODE: mode = '' } = environment;
  if (mode !== '' && mode !== 'tokens') throw new ConfigRefused([`auth.mode (WAYBILL_AUTH_MODE) is ${JSON.stringify(mode)} beside --secure, which means tokens; expected one of them`]);
  return { ...environment, WAYBILL_AUTH_MODE: 'tokens' };
}

function greeting(roles: Chosen, { address, secret }: Running, config: Config): string {
  const scheme = config.http.tls === undefined ? 'http' : 'https';
  if (roles.join(',') === 'relay') return `Waybill's relay numbers the log${config.kafka.brokers.length > 0 ? ' and publishes it to Kafka' : ''}; its health is at ${scheme}://${address}/readyz\n`;
  if (roles.join(',') === 'tokens' && config.auth.mode !== 'tokens') return `Waybill's management API listens on ${scheme}://${address}/api/v1/\n`;
  if (roles.join(',') === 'tokens') return `Waybill's token service listens on ${scheme}://${address}; its tokens are for ${config.publicUrl ?? 'this machine'}\n`;
  const database = config.database.url === undefined ? `${config.data.dir} (database and blobs)` : `your Postgres and ${config.storage.driver} storage`;
  const login = config.auth.mode === 'none' ? '' : `Log in: docker login ${address}${config.auth.mode === 'tokens' ? ' --username admin' : ''}\n`;
  const made = secret === undefined ? '' : `The user admin${config.auth.mode === 'tokens' ? '' : ' of /api/v1'} was made. This is its password, shown only now: ${secret}\n`;
  return `Waybill listens on ${scheme}://${address}\nData: ${database}\n${made}${login}Push an image: docker pull hello-world && docker tag hello-world ${address}/hello-world && docker push ${address}/hello-world\n`;
}

/**
 * A service may wait for long before it serves, and the first process of a container is not ended by a signal that it does not handle.
 * @returns what takes that back
 */
function endOnSignal(): () => void {
  const signals = ['SIGTERM', 'SIGINT'] as const;
  const end = (): never => process.exit(143);
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}

/** Ends a process that could not start. */
function refuse(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
