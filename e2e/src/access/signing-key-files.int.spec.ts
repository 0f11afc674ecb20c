import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { parseRepositoryName } from '@waybill/oci';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { TokenClient } from './token-client.js';

const ADMIN = ['admin', ADMIN_PASSWORD] as const;

jest.setTimeout(120_000);

describe.each(SECURED)('signing keys in files, %s', (_, start) => {
  let folder: TemporaryFolder;
  let secured: SecuredRegistry;
  let tokens: TokenClient;

  /** Gives the `x` of its public half, by which it is known again. */
  async function put(name: string): Promise<string> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(folder.path, 'keys', name), privateKey.export({ format: 'pem', type: 'pkcs8' }));
    return String(createPublicKey(privateKey).export({ format: 'jwk' }).x);
  }

  interface Jwk { readonly kid: string; readonly x: string }
  const published = async (): Promise<Jwk[]> => JSON.parse(await (await fetch(`${secured.registry.baseUrl}/.well-known/jwks.json`)).text()).keys;
  const bearer = (): Promise<{ readonly Authorization: string }> => tokens.bearer(ADMIN, 'repository:acme/app:pull');
  const signerOf = async ({ Authorization }: { readonly Authorization: string }): Promise<string | undefined> => {
    const { kid } = JSON.parse(Buffer.from(Authorization.replace('Bearer ', '').split('.')[0] ?? '', 'base64url').toString());
    return (await published()).find((key) => key.kid === kid)?.x;
  };
  const pull = async (headers: { readonly Authorization: string }): Promise<number> => (await fetch(`${secured.registry.baseUrl}/v2/acme/app/tags/list`, { headers })).status;

  beforeAll(async () => {
    folder = await temporaryFolder('key-files');
    await mkdir(join(folder.path, 'keys'));
  });
  afterAll(async () => {
    await secured.close();
    await folder.remove();
  });

  it('sign tokens; a new one takes over without a restart and without a token that is refused', async () => {
    const [first, second] = [await put('2026-10.pem'), await put('2026-11.pem')];
    secured = await start({ WAYBILL_AUTH_TOKENS_KEYS: join(folder.path, 'keys') });
    tokens = new TokenClient(secured.registry.baseUrl);
    await secured.repositories.create(ORDER, parseRepositoryName('acme/app'));
    expect((await published()).map(({ x }) => x).sort()).toEqual([first, second].sort());
    expect(JSON.stringify(await published())).not.toContain('"d"');
    const before = await bearer();
    expect([await signerOf(before), await pull(before)]).toEqual([second, 200]);

    const third = await put('2026-12.pem');
    for (let rotated = 0; rotated < 6; await delay(100)) {
      const now = await bearer();
      expect([await pull(now), await pull(before)]).toEqual([200, 200]);
      rotated = (await signerOf(now)) === third ? rotated + 1 : 0;
    }
    expect((await published()).map(({ x }) => x).sort()).toEqual([first, second, third].sort());
  });
});
