import { expectError, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** Row 1 of section 1 (end-1), and the extension endpoints (X2). */
export function describePing(test: RegistryTest): void {
  describe('ping', () => {
    for (const path of ['/v2/', '/v2']) {
      test(`GET ${path} answers 200 with an empty JSON object and no redirect`, async ({ client }) => {
        const answer = await client.get(path);
        expect([answer.status, answer.header('Content-Type'), answer.body.toString()]).toEqual([200, 'application/json', '{}']);
        expect(answer.header('Docker-Distribution-Api-Version')).toBe('registry/2.0');
      });
    }

    test('HEAD /v2/ answers like GET, without a body', async ({ client }) => {
      const answer = await client.head('/v2/');
      expectStatus(answer, 200);
      expect(answer.header('Docker-Distribution-Api-Version')).toBe('registry/2.0');
      expect(answer.body).toHaveLength(0);
    });

    test('POST /v2/ is 405 and Allow names GET and HEAD', async ({ client }) => {
      const answer = await client.send({ method: 'POST', path: '/v2/' });
      expectError(answer, 405, 'UNSUPPORTED');
      expect((answer.header('Allow') ?? '').split(/, */).toSorted()).toEqual(['GET', 'HEAD']);
    });

    test('extension discovery lists extensions or says UNSUPPORTED', async ({ client }) => {
      const answer = await client.discoverExtensions();
      if (answer.status === 200) expect(answer.json()).toEqual({ extensions: expect.any(Array) });
      else expect(['404 UNSUPPORTED', '405 UNSUPPORTED']).toContain(`${answer.status} ${answer.errorCodes()[0]}`);
    });
  });
}
