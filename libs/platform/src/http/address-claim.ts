import { once } from 'node:events';
import { createServer } from 'node:net';
import { errorCode } from '../error-code.js';
import { hostAndPort } from '../host-and-port.js';
import type { Address } from './start-http.js';
import { AddressRefused } from './start-http.js';

/**
 * Keeps an address for a process that starts others to listen there, until it is let go or the process ends. Of several that share an address the system
 * refuses none, and a look whether it can be had says nothing of who is about to listen: two that started at the same moment would each get half of the
 * clients. Linux only: an abstract socket, which the machine has once, and a container once for itself.
 * @returns what lets it go
 * @throws AddressRefused where another process has it
 */
export async function claimAddress(address: Address): Promise<() => void> {
  const place = hostAndPort(address);
  const server = createServer((socket) => socket.destroy()).unref();
  server.listen(`\0waybill-http-${place}`);
  try {
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    throw new AddressRefused(`${place} is in use by another process: stop that one, or give http.address another port`, { cause: error });
  }
  return () => void server.close();
}
