import { jest } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { ForeignTokenServer, isRecord, PYTHON_JWT, RegistryClient, requireBinaries } from '@waybill/testing';
import { startRegistry, TOPOLOGIES } from './guarded-registry.js';
import type { StartedRegistry } from './guarded-registry.js';

jest.setTimeout(120_000);
const binaries = requireBinaries(PYTHON_JWT);

async function tokenFrom(server: ForeignTokenServer, scope: string): Promise<string> {
  const answer = await fetch(`${server.settings['WAYBILL_AUTH_REALM'] ?? ''}?service=${server.settings['WAYBILL_AUTH_SERVICE'] ?? ''}&scope=${scope}`, { headers: { Authorization: `Basic ${Buffer.from('alice:secret').toString('base64')}` } });
  const body: unknown = await answer.json();
  return isRecord(body) ? String(body['token']) : '';
}

if (binaries === undefined) it.skip('keys of a foreign token server: a program is missing', () => undefined);
else {
  describe.each(TOPOLOGIES)('keys of a foreign token server, %s', (topology) => {
    let server: ForeignTokenServer | undefined;
    let registry: StartedRegistry | undefined;

    afterEach(async () => {
      await registry?.stop();
      await server?.stop();
    });

    it.each(['ES256', 'RS256', 'EdDSA'] as const)('%s: tokens are taken; after a rotation those of the new key are, those of the old one are not, and nothing was restarted', async (alg) => {
      server = await ForeignTokenServer.start({ python: binaries[PYTHON_JWT], alg, users: { alice: { password: 'secret', rights: [['a', ['pull', 'push']]] } } });
      registry = await startRegistry(topology, server.settings);
      const { baseUrl } = registry;
      const status = async (token: string): Promise<number> => {
        const client = new RegistryClient(baseUrl, { Authorization: `Bearer ${token}` });
        const answer = await client.listTags('a');
        client.close();
        return answer.status;
      };
      const old = await tokenFrom(server, 'repository:a:pull');
      expect(await status(old)).toBe(404);
      await server.rotate();
      const renewed = await tokenFrom(server, 'repository:a:pull');
      expect(await status(renewed)).toBe(401);
      // every process has looked again within the 5 s of its setting
      for (let tries = 0; tries < 60 && ((await status(renewed)) === 401 || (await status(old)) !== 401); tries++) await delay(250);
      for (let i = 0; i < 4; i++) expect([await status(renewed), await status(old)]).toEqual([404, 401]);
      // a token server that is away takes nothing away
      await server.stop();
      await delay(6000);
      expect(await status(renewed)).toBe(404);
    });
  });
}
