import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import { claimAddress, hostAndPort, PgDatabase, probeAddress } from '@waybill/platform';
import type { Config, Logger } from '@waybill/platform';
import type { Running } from './bootstrap.js';
import { openDatabaseServer, warnOfTooFewSessions } from './database-server.js';
import { makeFirstAdmin } from './first-admin.js';
import { prepareSchema } from './infrastructure.js';
import type { Role } from './roles.js';

/** Milliseconds before a worker that died is replaced: a fault that comes back at once must not become a loop. */
const REPLACE_AFTER = 500;

/** Milliseconds. */
const TELL_AGAIN = 1000;

/**
 * Whether each worker listens for itself (SO_REUSEPORT) and the system deals out connections. Elsewhere this process accepts them and hands them on, and what it
 * had handed to a worker that was killed stays open, answered by nobody.
 */
export const SHARES_ADDRESS = process.platform === 'linux';

/**
 * Several processes on one log behind one address: this one owns the database server and starts the others, which listen on the same address. Worker n serves its
 * own metrics at the port of metrics.address + n - 1.
 */
export async function superviseWorkers(roles: readonly Role[], config: Config, logger: Logger): Promise<Running> {
  const server = await openDatabaseServer(config, logger);
  let stopping = false;
  // a worker reads the configuration as we did: what that says about the database may stand in a file, and a second source would contradict it
  const ownDatabase = config.database.url === undefined ? { WAYBILL_DATABASE_URL: server.url } : {};
  const { host, port } = config.metrics.address;
  let http = config.http.address;
  let letGo = (): void => undefined;
  const start = (n: number): Worker => {
    const worker = cluster.fork({ ...ownDatabase, WAYBILL_HTTP_ADDRESS: hostAndPort(http), WAYBILL_METRICS_ADDRESS: hostAndPort({ host, port: port === 0 ? 0 : port + n }) });
    // a message to a worker that is being killed fails here, and would end this process with the database server
    worker.on('error', (err) => logger.warn({ worker: n + 1, err }, 'a worker cannot be told anything'));
    worker.on('exit', (code, signal) => {
      if (stopping) return;
      logger.error({ worker: n + 1, code, signal }, 'a worker ended; another takes its place');
      setTimeout(() => !stopping && start(n), REPLACE_AFTER);
    });
    return worker;
  };
  const close = async (): Promise<void> => {
    stopping = true;
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    await Promise.all(workers.map(end));
    letGo();
    await server.stop();
  };
  try {
    http = await probeAddress(http);
    if (SHARES_ADDRESS) letGo = await claimAddress(http);
    await prepareSchema(roles, server.url, logger);
    const secret = await prepare(roles, config, server.url, logger);
    const workers = Array.from({ length: config.http.workers }, (_, n) => start(n));
    const [address] = await Promise.all(workers.map(listening));
    return { address: address ?? '', secret, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A signal that comes some milliseconds after the fork is lost at times, before the program is there to hear it: it is told again, which does nothing to one that heard. */
async function end(worker: Worker): Promise<void> {
  const ended = once(worker, 'exit');
  worker.process.kill('SIGTERM');
  const again = setInterval(() => worker.process.kill('SIGTERM'), TELL_AGAIN);
  await ended;
  clearInterval(again);
}

/** What is done once, before any worker. Gives the password of a user admin that it made. */
async function prepare(roles: readonly Role[], config: Config, url: string, logger: Logger): Promise<string | undefined> {
  const database = new PgDatabase({ url, poolSize: 1 });
  try {
    await warnOfTooFewSessions(config, database, (text) => logger.warn(text));
    return await makeFirstAdmin(roles, config, { database });
  } finally {
    await database.close();
  }
}

/** `host:port` of the registry, once a worker serves it. Rejects when it ends before. */
function listening(worker: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && 'serves' in message && typeof message.serves === 'string') resolve(message.serves);
    });
    worker.once('exit', (code) => reject(new Error(`a worker ended with ${code} while it started; its output says why`)));
  });
}
