import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Ports for one process of tests: jest numbers its workers from 1, anything else is 0. */
const portsPerWorker = 1000;
const workers = 20;
const worker = Number(process.env['JEST_WORKER_ID'] ?? 0) % workers;
let next = Math.floor(Math.random() * portsPerWorker);

/**
 * A TCP port on 127.0.0.1 that nobody listens on, for a server that is started by its number.
 *
 * The system hands out ports of its ephemeral range to every outgoing connection, so a number from there can be taken between this answer and the
 * server's start. These come from outside of that range, each worker of jest has its own thousand, and none is given twice before all of them were.
 * @throws Error when each port of this worker is listened on.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < portsPerWorker; tries += 1) {
    next = (next + 1) % portsPerWorker;
    const port = firstPort() + worker * portsPerWorker + next;
    if (await nobodyListensOn(port)) return port;
  }
  throw new Error(`No TCP port of ${firstPort() + worker * portsPerWorker} and the ${portsPerWorker} after it is free: servers of earlier tests still run.`);
}

/** Below Linux' ephemeral range (from 32768 by default) where that leaves room, else 10000. */
function firstPort(): number {
  return Math.max(10_000, Math.min(12_000, startOfEphemeralPorts() - workers * portsPerWorker));
}

function startOfEphemeralPorts(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/, 1)[0]);
  } catch {
    return 49_152; // macOS and IANA; without /proc there is nothing better to go by
  }
}

function nobodyListensOn(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
