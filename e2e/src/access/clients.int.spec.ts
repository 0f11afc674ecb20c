import { jest } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ForeignTokenServer, PYTHON_JWT, RegistryClient, requireBinaries, temporaryFolder } from '@waybill/testing';
import type { RegistryUnderTest } from '@waybill/testing';
import { startRegistry, TOPOLOGIES } from './guarded-registry.js';
import type { Topology } from './guarded-registry.js';
import { CLIENTS, CLIENT_PROGRAMS } from './logged-in-clients.js';
import type { LoginClient } from './logged-in-clients.js';

jest.setTimeout(180_000);
const binaries = requireBinaries(...CLIENT_PROGRAMS, PYTHON_JWT);

const PASSWORDS = { alice: 'correct horse', bob: 'battery staple' } as const;
/** Of alice and her password, as `htpasswd -B` writes it. */
const HTPASSWD = 'alice:$2b$05$MNTpYZghnC5tLbfzLZeSaOgVI/02N9bGeag1R/QsvakioDtfeGw0i\n';
/** How the programs say that they were not let in. */
const REFUSED = /unauthorized|authentication|denied|401|credential|username\/password|login or password/i;
const EVERYTHING = ['pull', 'push', 'delete'] as const;

interface Guarded {
  readonly registry: RegistryUnderTest;
  readonly stop: () => Promise<void>;
}

async function behindForeignServer(python: string, topology: Topology): Promise<Guarded> {
  const server = await ForeignTokenServer.start({
    python,
    alg: topology === 'one process' ? 'ES256' : 'EdDSA',
    users: { alice: { password: PASSWORDS.alice, rights: [['team/*', EVERYTHING], ['public/*', EVERYTHING]] }, bob: { password: PASSWORDS.bob, rights: [['team/*', ['pull']]] } },
    anonymous: [['public/*', ['pull']]],
  });
  const registry = await startRegistry(topology, server.settings);
  return { registry, stop: () => registry.stop().then(() => server.stop()) };
}

async function behindHtpasswd(topology: Topology): Promise<Guarded> {
  const folder = await temporaryFolder('htpasswd');
  const path = join(folder.path, 'users');
  await writeFile(path, HTPASSWD);
  const registry = await startRegistry(topology, { WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: path });
  return { registry, stop: () => registry.stop().then(() => folder.remove()) };
}

if (binaries === undefined) it.skip('real clients with a login: a program is missing', () => undefined);
else {
  describe.each(TOPOLOGIES.flatMap((topology) => (['a foreign token server', 'an htpasswd file'] as const).map((guard) => [guard, topology] as const)))('real clients, %s, %s', (guard, topology) => {
    const tokens = guard === 'a foreign token server';
    let guarded: Guarded | undefined;
    const open: LoginClient[] = [];
    const registry = (): RegistryUnderTest => {
      if (guarded === undefined) throw new Error('The registry did not start.');
      return guarded.registry;
    };
    const host = (): string => new URL(registry().baseUrl).host;
    const client = async (name: string): Promise<LoginClient> => {
      const made = await CLIENTS[name]?.(binaries, host());
      if (made === undefined) throw new Error(`there is no client ${name}`);
      open.push(made);
      return made;
    };

    beforeAll(async () => {
      guarded = tokens ? await behindForeignServer(binaries[PYTHON_JWT], topology) : await behindHtpasswd(topology);
    });
    afterEach(async () => {
      await Promise.all(open.splice(0).map((one) => one.close()));
    });
    afterAll(() => guarded?.stop());

    describe.each(Object.keys(CLIENTS))('%s', (name) => {
      it('logs in, pushes, pulls, and copies to another repository', async () => {
        const alice = await client(name);
        await alice.login('alice', PASSWORDS.alice);
        await alice.push(`team/${name}`, `hello from ${name}`);
        expect(await alice.pull(`team/${name}`)).toMatch(/hello|sha256/);
        if (alice.copy === undefined) return;
        await alice.copy(`team/${name}`, `team/${name}-copy`);
        expect(await alice.pull(`team/${name}-copy`)).toMatch(/hello|sha256/);
      });

      it('gets nothing without a login, and with a wrong password', async () => {
        const nobody = await client(name);
        await expect(nobody.pull(`team/${name}`)).rejects.toThrow(REFUSED);
        await expect(nobody.push(`team/${name}-x`, 'nobody')).rejects.toThrow(REFUSED);
        await expect(nobody.login('alice', 'wrong').then(() => nobody.pull(`team/${name}`))).rejects.toThrow(REFUSED);
      });

      if (!tokens) return;
      it('pulls and does not push with the right to pull', async () => {
        const bob = await client(name);
        await bob.login('bob', PASSWORDS.bob);
        expect(await bob.pull(`team/${name}`)).toMatch(/hello|sha256/);
        await expect(bob.push(`team/${name}-bob`, 'bob')).rejects.toThrow(REFUSED);
      });

      it('pulls what is public without a login', async () => {
        const alice = await client(name);
        await alice.login('alice', PASSWORDS.alice);
        await alice.push(`public/${name}`, `public from ${name}`);
        expect(await (await client(name)).pull(`public/${name}`)).toMatch(/public|sha256/);
      });
    });

    it('nothing was told to the log that opens a door', () => {
      for (const secret of [...Object.values(PASSWORDS), 'eyJ', Buffer.from(`alice:${PASSWORDS.alice}`).toString('base64')]) expect(registry().logs()).not.toContain(secret);
    });

    it('without credentials every endpoint is closed', async () => {
      const stranger = new RegistryClient(registry().baseUrl);
      for (const path of ['/v2/', '/v2/_catalog', '/v2/team/crane/tags/list', '/v2/team/crane/manifests/v1', '/v2/nowhere/manifests/v1']) {
        const answer = await stranger.get(path);
        expect([answer.status, answer.header('WWW-Authenticate')]).toEqual([401, expect.stringMatching(tokens ? /^Bearer realm="http:\/\/localhost/ : /^Basic realm="/)]);
      }
      stranger.close();
    });
  });
}
