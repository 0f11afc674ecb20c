import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic, TokenClient } from './token-client.js';

const ADMIN = ['admin', ADMIN_PASSWORD] as const;
const ALICE = ['alice', 'a password of alice'] as const;
/** Seconds in which whatever is taken back is gone everywhere. */
const GONE_WITHIN = 5;

jest.setTimeout(180_000);

describe.each(SECURED)('a signing key that leaked, %s', (_name, start) => {
  let secured: SecuredRegistry;
  let tokens: TokenClient;
  const api = (login: readonly [string, string], method: string, path: string): Promise<Response> => fetch(`${secured.registry.baseUrl}/api/v1${path}`, { method, headers: basic(...login) });
  const published = async (): Promise<string[]> => JSON.parse(await (await fetch(`${secured.registry.baseUrl}/.well-known/jwks.json`)).text()).keys.map(({ kid }: { kid: string }) => kid);
  const kidOf = ({ Authorization }: { readonly Authorization: string }): string => JSON.parse(Buffer.from(Authorization.replace('Bearer ', '').split('.')[0] ?? '', 'base64url').toString()).kid;
  const statuses = (headers: { readonly Authorization: string }): Promise<number[]> => Promise.all(secured.replicas.map(async ({ baseUrl }) => (await fetch(`${baseUrl}/v2/`, { headers })).status));

  beforeAll(async () => {
    secured = await start();
    tokens = new TokenClient(secured.registry.baseUrl);
    await secured.users.create(ORDER, { login: ALICE[0], password: ALICE[1] });
  });
  afterAll(() => secured.close());

  it('is withdrawn by an admin and nobody else: within five seconds no replica takes what it signed, and tokens are signed by another that all take', async () => {
    const leaked = await tokens.bearer(ALICE);
    const kid = kidOf(leaked);
    expect(await published()).toContain(kid);
    expect((await api(ALICE, 'DELETE', `/keys/${kid}`)).status).toBe(403);
    expect((await api(ALICE, 'GET', '/keys')).status).toBe(403);
    expect(await statuses(leaked)).toEqual(secured.replicas.map(() => 200));
    expect((await api(ADMIN, 'DELETE', `/keys/${kid}`)).status).toBe(204);
    const begun = performance.now();
    const seconds = { refused: Infinity, taken: Infinity, unpublished: Infinity };
    while (Math.max(...Object.values(seconds)) === Infinity && performance.now() - begun < 30_000) {
      const now = (performance.now() - begun) / 1000;
      if ((await statuses(leaked)).every((status) => status === 401)) seconds.refused = Math.min(seconds.refused, now);
      if (!(await published()).includes(kid)) seconds.unpublished = Math.min(seconds.unpublished, now);
      const fresh = await tokens.bearer(ALICE);
      if (kidOf(fresh) !== kid && (await statuses(fresh)).every((status) => status === 200)) seconds.taken = Math.min(seconds.taken, now);
      await delay(50);
    }
    process.stdout.write(`a withdrawn key: ${JSON.stringify(seconds)}\n`);
    for (const each of Object.values(seconds)) expect(each).toBeLessThan(GONE_WITHIN);
    expect((await api(ADMIN, 'DELETE', `/keys/${kid}`)).status).toBe(404);
    expect(await statuses(leaked)).toEqual(secured.replicas.map(() => 401));
  });
});
