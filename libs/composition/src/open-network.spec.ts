import { loadConfig } from '@waybill/platform';
import { isLoopback, openNetworkFaults } from './open-network.js';
import type { Role } from './roles.js';

const faults = async (roles: readonly (Role | 'gateway')[], settings: Readonly<Record<string, string>>) => openNetworkFaults(roles, await loadConfig(settings));
const EVERY = ['blobs', 'manifests', 'relay'] as const;

describe('without authentication', () => {
  it.each(['127.0.0.1:5000', '127.8.9.1:1', '[::1]:5000', 'localhost:5000'])('%s is served: only this machine reaches it', async (address) => {
    expect(await faults(EVERY, { WAYBILL_HTTP_ADDRESS: address })).toEqual([]);
  });

  it.each(['0.0.0.0:5000', ':5000', '[::]:5000', '10.0.0.1:5000', 'registry.example:5000', '[fe80::1]:5000', '127.example.com:5000'])('%s is refused with the reason, unless it is allowed or has a mode', async (address) => {
    expect(await faults(EVERY, { WAYBILL_HTTP_ADDRESS: address })).toEqual([expect.stringMatching(/others can reach.*WAYBILL_AUTH_ALLOW_UNAUTHENTICATED_NETWORK/)]);
    for (const role of ['blobs', 'manifests'] as const) expect(await faults([role], { WAYBILL_HTTP_ADDRESS: address })).toHaveLength(1);
    expect(await faults(EVERY, { WAYBILL_HTTP_ADDRESS: address, WAYBILL_AUTH_ALLOW_UNAUTHENTICATED_NETWORK: 'true' })).toEqual([]);
    expect(await faults(EVERY, { WAYBILL_HTTP_ADDRESS: address, WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: '/users' })).toEqual([]);
  });

  it('a relay may listen anywhere: it answers only for its health', async () => {
    expect(await faults(['relay'], { WAYBILL_HTTP_ADDRESS: ':5000' })).toEqual([]);
  });

  it('a gateway may listen where its services refuse by themselves, and not in front of services that only it can reach', async () => {
    const gateway = (host: string, address: string) => faults(['gateway'], { WAYBILL_HTTP_ADDRESS: address, WAYBILL_GATEWAY_BLOBS: `${host}:5001`, WAYBILL_GATEWAY_MANIFESTS: 'manifests:5000' });
    expect(await gateway('blobs', ':5000')).toEqual([]);
    expect(await gateway('127.0.0.1', '127.0.0.1:5000')).toEqual([]);
    expect(await gateway('127.0.0.1', ':5000')).toHaveLength(1);
  });
});

it('an address in the form of another family is not taken for this machine', () => {
  expect(isLoopback('::ffff:127.0.0.1')).toBe(false);
});
