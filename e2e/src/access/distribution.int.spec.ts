import { jest } from '@jest/globals';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, requireBinaries, RunningChild, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { output } from '../clients/command.js';
import { Crane } from '../clients/crane.js';
import type { ImageClient } from '../clients/image-client.js';
import { Podman } from '../clients/podman.js';
import { Skopeo } from '../clients/skopeo.js';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from './secured-registry.js';
import { basic } from './token-client.js';

const binaries = requireBinaries('registry', 'crane', 'skopeo', 'podman', 'runc', 'helm');

if (binaries === undefined) it.skip('a stock Distribution behind our token service: a program is missing', () => undefined);
else {
  jest.setTimeout(240_000);
  describe('a stock Distribution v3 behind our token service', () => {
    let secured: SecuredRegistry;
    let folder: TemporaryFolder;
    let distribution: RunningChild | undefined;
    let host = '';
    const [, startOne] = SECURED[0] ?? [];

    beforeAll(async () => {
      if (startOne === undefined) throw new Error('there is no topology');
      host = `127.0.0.1:${await freePort()}`;
      folder = await temporaryFolder('distribution');
      secured = await startOne({ WAYBILL_AUTH_TOKENS_SERVICES: host });
      const { baseUrl } = secured.registry;
      await writeFile(join(folder.path, 'jwks.json'), await (await fetch(`${baseUrl}/.well-known/jwks.json`)).text());
      await mkdir(join(folder.path, 'data'));
      await writeFile(join(folder.path, 'config.yml'), JSON.stringify({
        version: 0.1,
        log: { level: 'info' },
        storage: { filesystem: { rootdirectory: join(folder.path, 'data') }, delete: { enabled: true } },
        http: { addr: host },
        // a name: crane is sent to no token endpoint at an address of a private network, unless the registry has the same one
        auth: { token: { realm: `${baseUrl.replace('127.0.0.1', 'localhost')}/token`, service: host, issuer: baseUrl, jwks: join(folder.path, 'jwks.json'), signingalgorithms: ['ES256'] } },
      }));
      distribution = new RunningChild({ command: binaries.registry, arguments: ['serve', join(folder.path, 'config.yml')], environment: { PATH: process.env['PATH'] } });
      await distribution.waitUntil(async () => (await fetch(`http://${host}/v2/`)).status === 401);
      // an organisation is there once something of it is
      const crane = await Crane.create(binaries.crane);
      await crane.login(new URL(baseUrl).host, 'admin', ADMIN_PASSWORD);
      await crane.push(`${new URL(baseUrl).host}/acme/seed:v1`, 'the first push');
      await crane.close();
      const grant = async (login: string, actions: ('pull' | 'push' | 'overwrite')[]): Promise<void> => {
        const { id } = await secured.users.create(ORDER, { login, password: `a password of ${login}` });
        await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/**', actions });
      };
      await grant('writer', ['pull', 'push', 'overwrite']);
      await grant('reader', ['pull']);
    });
    afterAll(async () => {
      await distribution?.stop();
      await secured.close();
      await folder.remove();
    });

    const CLIENTS: Readonly<Record<string, () => Promise<ImageClient>>> = {
      crane: () => Crane.create(binaries.crane),
      skopeo: () => Skopeo.create(binaries.skopeo),
      podman: () => Podman.create(binaries.podman),
    };

    it.each(Object.entries(CLIENTS))('%s logs in, pushes, and pulls as somebody who may only pull', async (name, create) => {
      const reference = `${host}/acme/${name}:v1`;
      const [writer, reader] = [await create(), await create()];
      try {
        await writer.login(host, 'writer', 'a password of writer');
        await writer.push(reference, `greetings from ${name}`);
        await reader.login(host, 'reader', 'a password of reader');
        expect(await reader.greetingOf(reference)).toContain(`greetings from ${name}`);
        await expect(reader.push(`${host}/acme/${name}:v2`, 'not allowed')).rejects.toThrow(/unauthorized|denied|authentication required|401|insufficient/i);
      } finally {
        await Promise.all([writer.close(), reader.close()]);
      }
    });

    it('helm logs in, pushes a chart and pulls it', async () => {
      const home = join(folder.path, 'helm');
      await mkdir(home);
      const helm = (...words: readonly string[]): Promise<string> => output(binaries.helm, words, { folder: home, environment: { HELM_CONFIG_HOME: `${home}/config`, HELM_CACHE_HOME: `${home}/cache`, HELM_DATA_HOME: `${home}/data` } });
      await helm('registry', 'login', host, '--username', 'writer', '--password', 'a password of writer', '--plain-http');
      await helm('create', 'demo');
      await helm('package', 'demo', '--version', '0.1.0');
      await helm('push', 'demo-0.1.0.tgz', `oci://${host}/acme`, '--plain-http');
      expect(await helm('show', 'chart', `oci://${host}/acme/demo`, '--version', '0.1.0', '--plain-http')).toContain('name: demo');
    });

    it('takes no token that is for us, and we take none that is for it', async () => {
      const token = async (service: string): Promise<string> => {
        const answer: unknown = await (await fetch(`${secured.registry.baseUrl}/token?service=${service}&scope=repository:acme/crane:pull`, { headers: basic('reader', 'a password of reader') })).json();
        return typeof answer === 'object' && answer !== null && 'token' in answer ? String(answer.token) : '';
      };
      const list = async (base: string, bearer: string): Promise<number> => (await fetch(`${base}/v2/acme/crane/tags/list`, { headers: { Authorization: `Bearer ${bearer}` } })).status;
      const [ours, theirs] = [await token(new URL(secured.registry.baseUrl).host), await token(host)];
      expect([await list(`http://${host}`, theirs), await list(`http://${host}`, ours)]).toEqual([200, 401]);
      expect([await list(secured.registry.baseUrl, ours), await list(secured.registry.baseUrl, theirs)]).toEqual([404, 401]);
    });

    it('is told nothing of us but the right: neither ids nor rules', async () => {
      const answer: unknown = await (await fetch(`${secured.registry.baseUrl}/token?service=${host}&scope=repository:acme/crane:pull,push`, { headers: basic('writer', 'a password of writer') })).json();
      const token = typeof answer === 'object' && answer !== null && 'token' in answer ? String(answer.token) : '';
      const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
      expect(payload).toMatchObject({ aud: host, sub: 'writer', access: [{ type: 'repository', name: 'acme/crane', actions: ['pull', 'push'] }] });
      expect(payload).not.toHaveProperty('waybill');
    });
  });
}
