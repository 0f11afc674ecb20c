import { isIPv4 } from 'node:net';
import type { Config } from '@waybill/platform';
import type { Role } from './roles.js';

/**
 * What is wrong with an address that strangers can reach and nobody is asked to log in at. Each process that answers `/v2/` itself is held to it. A gateway is
 * held to it for services that only it can reach: these run without authentication because they believe themselves alone.
 */
export function openNetworkFaults(roles: readonly (Role | 'gateway')[], { auth, gateway, http }: Config): string[] {
  if (auth.mode !== 'none' || auth.allowUnauthenticatedNetwork || isLoopback(http.address.host)) return [];
  const answers = roles.includes('blobs') || roles.includes('manifests');
  const hidden = roles.includes('gateway') && [...gateway.blobs, ...gateway.manifests].some(({ host }) => isLoopback(host));
  if (!answers && !hidden) return [];
  const address = `${http.address.host}:${http.address.port}`;
  return [
    `http.address (WAYBILL_HTTP_ADDRESS) is ${address}, which others can reach, and auth.mode is none: whoever reaches it could push and delete; ` +
      'expected an auth.mode (WAYBILL_AUTH_MODE), or an address such as 127.0.0.1:5000, or auth.allowUnauthenticatedNetwork (WAYBILL_AUTH_ALLOW_UNAUTHENTICATED_NETWORK) true where the network itself lets nobody else in',
  ];
}

/** Whether only this machine reaches an address of that host. A name is one only where it always means this machine. */
export function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || (isIPv4(host) && host.startsWith('127.'));
}
