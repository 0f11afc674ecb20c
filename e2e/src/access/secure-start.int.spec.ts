import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RegistryProcess, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { ADMIN_PASSWORD } from './secured-registry.js';
import { TokenClient } from './token-client.js';

const SHOWN = /This is its password, shown only now: (\S+)/;

describe('npm start -- --secure', () => {
  let folder: TemporaryFolder;
  let registry: RegistryProcess | undefined;
  beforeEach(async () => {
    folder = await temporaryFolder('secure');
  });
  afterEach(async () => {
    await registry?.stop();
    registry = undefined;
    await folder.remove();
  });
  const start = async (settings: Readonly<Record<string, string>> = {}, words = ['--secure']): Promise<RegistryProcess> =>
    (registry = await RegistryProcess.start({ words, dataFolder: folder.path, settings }));

  it('makes the user admin with a password that is shown once, and a later start changes nobody', async () => {
    const first = await start();
    const secret = SHOWN.exec(first.logs())?.[1] ?? '';
    expect(secret.length).toBeGreaterThan(20);
    expect(first.logs()).toContain('docker login');
    expect((await new TokenClient(first.baseUrl).get(['admin', secret])).status).toBe(200);
    // CVE-2026-4404: none that stood in somebody's documentation
    for (const known of ['admin', 'password', 'changeme', 'Harbor12345', 'admin123', 'waybill', '']) expect([known, (await new TokenClient(first.baseUrl).get(['admin', known])).status]).toEqual([known, 401]);
    expect((await stat(join(folder.path, 'signing-key.secret'))).mode & 0o777).toBe(0o600);
    await first.stop();
    const second = await start({ WAYBILL_ADMIN_PASSWORD: 'another password than that' });
    expect(second.logs()).not.toMatch(SHOWN);
    expect((await new TokenClient(second.baseUrl).get(['admin', secret])).status).toBe(200);
    expect((await new TokenClient(second.baseUrl).get(['admin', 'another password than that'])).status).toBe(401);
  });

  it('takes the password of WAYBILL_ADMIN_PASSWORD and shows none; WAYBILL_AUTH_MODE=tokens is the same', async () => {
    const { baseUrl, logs } = await start({ WAYBILL_ADMIN_PASSWORD: ADMIN_PASSWORD, WAYBILL_AUTH_MODE: 'tokens' }, []);
    expect(logs.call(registry)).not.toMatch(SHOWN);
    expect(logs.call(registry)).not.toContain(ADMIN_PASSWORD);
    expect((await new TokenClient(baseUrl).get(['admin', ADMIN_PASSWORD])).status).toBe(200);
  });

  it('makes one admin and one key where several workers begin', async () => {
    const { baseUrl, logs } = await start({ WAYBILL_HTTP_WORKERS: '3' });
    // the first worker answers before the last one does, and the lines for a person come after that
    for (let tries = 0; tries < 400 && !logs.call(registry).includes('Push an image'); tries += 1) await delay(50);
    expect(logs.call(registry).match(new RegExp(SHOWN, 'g'))).toHaveLength(1);
    const secret = SHOWN.exec(logs.call(registry))?.[1] ?? '';
    const client = new TokenClient(baseUrl);
    const { keys } = JSON.parse(await (await fetch(`${baseUrl}/.well-known/jwks.json`)).text());
    expect(keys.length).toBeLessThanOrEqual(2);
    for (let i = 0; i < 30; i += 1) expect((await fetch(`${baseUrl}/v2/`, { headers: await client.bearer(['admin', secret]) })).status).toBe(200);
  });

  it.each([
    ['a password that is too easy', { WAYBILL_ADMIN_PASSWORD: 'short' }, ['--secure'], 'WAYBILL_ADMIN_PASSWORD'],
    ['another mode beside it', { WAYBILL_AUTH_MODE: 'none' }, ['--secure'], 'beside --secure'],
    ['a word that means nothing', {}, ['--secured'], '--secured'],
    ['no address that a token could be for', { WAYBILL_HTTP_ADDRESS: ':0', WAYBILL_AUTH_MODE: 'tokens' }, [], 'WAYBILL_PUBLIC_URL'],
  ])('does not start with %s, and says why', async (_what, settings, words, reason) => {
    await expect(start(settings, words)).rejects.toThrow(reason);
  });
});
