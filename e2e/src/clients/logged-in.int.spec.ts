import { jest } from '@jest/globals';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { requireBinaries, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { ADMIN_PASSWORD, ORDER, SECURED, type SecuredRegistry } from '../access/secured-registry.js';
import { output } from './command.js';
import { Crane } from './crane.js';
import { DockerEngine } from './docker-engine.js';
import type { ImageClient } from './image-client.js';
import { Podman } from './podman.js';
import { Regctl } from './regctl.js';
import { Skopeo } from './skopeo.js';

const IMAGE_CLIENTS = ['crane', 'skopeo', 'podman', 'regctl', 'docker'] as const;
const binaries = requireBinaries('crane', 'skopeo', 'podman', 'runc', 'helm', 'regctl', 'cosign', 'docker', 'dockerd');

if (binaries === undefined) it.skip('clients that log in: a program is missing', () => undefined);
else {
  jest.setTimeout(240_000);
  describe.each(SECURED)('clients that log in, %s', (_name, start) => {
    let secured: SecuredRegistry;
    let folder: TemporaryFolder;
    let robot: readonly [string, string];
    let reader: readonly [string, string];
    const host = (): string => new URL(secured.registry.baseUrl).host;

    beforeAll(async () => {
      secured = await start();
      folder = await temporaryFolder('login');
      // the organisation is made by the first push
      const crane = await Crane.create(binaries.crane);
      await crane.login(host(), 'admin', ADMIN_PASSWORD);
      await crane.push(`${host()}/acme/seed:v1`, 'the first push');
      await crane.close();
      const { id } = await secured.robots.create(ORDER, 'acme', 'ci');
      robot = ['acme+ci', (await secured.credentials.issue(ORDER, id, 'robot', 'first')).secret ?? ''];
      await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id }, effect: 'allow', repositories: 'acme/**', actions: ['pull', 'push', 'overwrite'] });
      const { id: of } = await secured.users.create(ORDER, { login: 'reader', password: 'a password of reader' });
      reader = ['reader', 'a password of reader'];
      await secured.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id: of }, effect: 'allow', repositories: 'acme/**', actions: ['pull'] });
    });
    afterAll(async () => {
      await secured.close();
      await folder.remove();
    });

    const open = (name: (typeof IMAGE_CLIENTS)[number]): Promise<ImageClient> => {
      switch (name) {
        case 'crane': return Crane.create(binaries.crane);
        case 'skopeo': return Skopeo.create(binaries.skopeo);
        case 'podman': return Podman.create(binaries.podman);
        case 'regctl': return Regctl.create(binaries.regctl, host());
        case 'docker': return DockerEngine.start(binaries);
      }
    };
    async function using(name: (typeof IMAGE_CLIENTS)[number], work: (client: ImageClient) => Promise<void>): Promise<void> {
      const client = await open(name);
      try {
        await work(client);
      } finally {
        await client.close();
      }
    }

    it.each(IMAGE_CLIENTS)('%s logs in as a robot, pushes, and another login that may only read pulls and cannot push', async (name) => {
      const reference = `${host()}/acme/${name}:v1`;
      await using(name, async (client) => {
        await client.login(host(), ...robot);
        await client.push(reference, `greetings from ${name}`);
      });
      await using(name, async (client) => {
        await client.login(host(), ...reader);
        expect(await client.greetingOf(reference)).toContain(`greetings from ${name}`);
        await expect(client.push(`${host()}/acme/${name}:v2`, 'not allowed')).rejects.toThrow(/unauthorized|denied|authentication required|401|insufficient/i);
      });
    });

    it.each(IMAGE_CLIENTS)('%s is refused without a login, and with a wrong secret', async (name) => {
      await using(name, async (client) => {
        await expect(client.greetingOf(`${host()}/acme/seed:v1`)).rejects.toThrow(/unauthorized|denied|authentication required|401|insufficient|no basic auth/i);
        await expect(client.login(host(), robot[0], wrongFor(robot[1])).then(() => client.greetingOf(`${host()}/acme/seed:v1`))).rejects.toThrow(/unauthorized|denied|401|invalid|incorrect|wrong/i);
      });
    });

    it('helm logs in, pushes a chart and pulls it', async () => {
      const home = folder.path;
      const helm = (...words: readonly string[]): Promise<string> => output(binaries.helm, words, { folder: home, environment: { HELM_CONFIG_HOME: `${home}/config`, HELM_CACHE_HOME: `${home}/cache`, HELM_DATA_HOME: `${home}/data` } });
      await helm('create', 'demo');
      await helm('package', 'demo', '--version', '0.1.0');
      await expect(helm('push', 'demo-0.1.0.tgz', `oci://${host()}/acme`, '--plain-http')).rejects.toThrow(/unauthorized|denied|401|basic credential/i);
      await helm('registry', 'login', host(), '--username', robot[0], '--password', robot[1], '--plain-http');
      await helm('push', 'demo-0.1.0.tgz', `oci://${host()}/acme`, '--plain-http');
      await mkdir(join(home, 'pulled'));
      await helm('pull', `oci://${host()}/acme/demo`, '--version', '0.1.0', '--plain-http', '--destination', join(home, 'pulled'));
      expect(await readdir(join(home, 'pulled'))).toContain('demo-0.1.0.tgz');
    });

    it('cosign logs in, signs an image and verifies it', async () => {
      const environment = { COSIGN_PASSWORD: 'test', COSIGN_YES: 'true', DOCKER_CONFIG: join(folder.path, 'cosign') };
      const cosign = (...words: readonly string[]): Promise<string> => output(binaries.cosign, words, { folder: folder.path, environment });
      const plainHttp = ['--allow-insecure-registry', '--allow-http-registry'];
      await cosign('login', host(), '--username', robot[0], '--password', robot[1]);
      await cosign('generate-key-pair');
      const crane = await Crane.create(binaries.crane);
      await crane.login(host(), ...reader);
      const image = `${host()}/acme/seed@${await crane.crane('digest', `${host()}/acme/seed:v1`)}`;
      await crane.close();
      await cosign('sign', ...plainHttp, '--key', 'cosign.key', '--tlog-upload=false', image);
      expect(await cosign('verify', ...plainHttp, '--key', 'cosign.pub', '--insecure-ignore-tlog', image)).toContain('sha256');
    });
  });
}

/** The same but for its last character. */
function wrongFor(secret: string): string {
  return `${secret.slice(0, -1)}${secret.endsWith('x') ? 'y' : 'x'}`;
}
