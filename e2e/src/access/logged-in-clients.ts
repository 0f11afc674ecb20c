import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '@waybill/testing';
import type { TemporaryFolder } from '@waybill/testing';
import { writeProgramTar } from '../clients/build-context.js';
import { output } from '../clients/command.js';
import { Crane } from '../clients/crane.js';
import { DockerEngine } from '../clients/docker-engine.js';
import { Podman } from '../clients/podman.js';
import { Regctl } from '../clients/regctl.js';
import { Skopeo } from '../clients/skopeo.js';
import { writeOciLayout } from '../clients/oci-layout.js';

/** A client program with credentials of its own. */
export interface LoginClient {
  /** Rejects where the program looks and the registry says no; some only write the password down. */
  login(user: string, password: string): Promise<void>;
  push(repository: string, greeting: string): Promise<void>;
  /** What was pulled contains this. */
  pull(repository: string): Promise<string>;
  /** To another repository, with a mount where the client knows of them. */
  copy?(from: string, to: string): Promise<void>;
  close(): Promise<void>;
}

export type Binaries = Readonly<Record<ClientProgram, string>>;
export const CLIENT_PROGRAMS = ['crane', 'skopeo', 'regctl', 'helm', 'podman', 'runc', 'docker', 'dockerd'] as const;
export type ClientProgram = (typeof CLIENT_PROGRAMS)[number];

/** By name: makes one that talks to `host` (host:port, without TLS). */
export const CLIENTS: Readonly<Record<string, (binaries: Binaries, host: string) => Promise<LoginClient>>> = {
  crane: async ({ crane }, host) => {
    const client = await Crane.create(crane);
    return {
      login: async (user, password) => void (await client.crane('auth', 'login', host, '-u', user, '-p', password)),
      push: (repository, greeting) => client.push(`${host}/${repository}:v1`, greeting),
      pull: (repository) => client.greetingOf(`${host}/${repository}:v1`),
      copy: async (from, to) => void (await client.crane('copy', `${host}/${from}:v1`, `${host}/${to}:v1`)),
      close: () => client.close(),
    };
  },
  regctl: async ({ regctl }, host) => {
    const client = await Regctl.create(regctl, host);
    return {
      login: async (user, password) => void (await client.regctl('registry', 'login', host, '--user', user, '--pass', password)),
      push: (repository, greeting) => client.push(`${host}/${repository}:v1`, greeting),
      pull: (repository) => client.greetingOf(`${host}/${repository}:v1`),
      copy: async (from, to) => void (await client.regctl('image', 'copy', `${host}/${from}:v1`, `${host}/${to}:v1`)),
      close: () => client.close(),
    };
  },
  skopeo: (binaries, host) => skopeo(binaries.skopeo, host),
  podman: (binaries, host) => podman(binaries.podman, host),
  helm: (binaries, host) => helm(binaries.helm, host),
  docker: async ({ docker, dockerd }, host) => {
    const engine = await DockerEngine.start({ docker, dockerd });
    return {
      login: async (user, password) => void (await engine.docker('login', '-u', user, '-p', password, host)),
      push: (repository, greeting) => engine.push(`${host}/${repository}:v1`, greeting),
      pull: (repository) => engine.greetingOf(`${host}/${repository}:v1`),
      copy: async (from, to) => {
        await engine.docker('pull', `${host}/${from}:v1`);
        await engine.docker('tag', `${host}/${from}:v1`, `${host}/${to}:v1`);
        await engine.docker('push', `${host}/${to}:v1`);
      },
      close: () => engine.close(),
    };
  },
};

async function skopeo(binary: string, host: string): Promise<LoginClient> {
  const client = await Skopeo.create(binary);
  const authfile = `${client.newPath()}.json`;
  const target = (repository: string): string => `docker://${host}/${repository}:v1`;
  await writeFile(authfile, '{}');
  return {
    login: async (user, password) => void (await client.skopeo('login', '--authfile', authfile, '--tls-verify=false', '-u', user, '-p', password, host)),
    push: async (repository, greeting) => {
      const layout = client.newPath();
      await writeOciLayout(layout, greeting, 'v1');
      await client.skopeo('copy', '--authfile', authfile, '--dest-tls-verify=false', `oci:${layout}:v1`, target(repository));
    },
    pull: (repository) => client.skopeo('inspect', '--authfile', authfile, '--tls-verify=false', target(repository)),
    copy: async (from, to) => void (await client.skopeo('copy', '--authfile', authfile, '--src-tls-verify=false', '--dest-tls-verify=false', target(from), target(to))),
    close: () => client.close(),
  };
}

async function podman(binary: string, host: string): Promise<LoginClient> {
  const client = await Podman.create(binary);
  const folder = await temporaryFolder('podman-auth');
  const authfile = join(folder.path, 'auth.json');
  await writeFile(authfile, '{}');
  const plain = ['--authfile', authfile, '--tls-verify=false'];
  return {
    login: async (user, password) => void (await client.podman('login', ...plain, '-u', user, '-p', password, host)),
    push: async (repository, greeting) => {
      const tar = await writeProgramTar(join(folder.path, greeting.replaceAll(' ', '-')), greeting);
      await client.podman('import', tar, `${host}/${repository}:v1`);
      await client.podman('push', ...plain, `${host}/${repository}:v1`);
    },
    pull: async (repository) => {
      await client.podman('image', 'rm', '--all', '--force');
      const id = await client.podman('pull', '--quiet', ...plain, `${host}/${repository}:v1`);
      return client.podman('image', 'inspect', id);
    },
    close: async () => {
      await client.close();
      await folder.remove();
    },
  };
}

/** Charts, whose last path segment is the name that the chart has itself. */
async function helm(binary: string, host: string): Promise<LoginClient> {
  const folder: TemporaryFolder = await temporaryFolder('helm-login');
  const { path } = folder;
  const run = (...words: readonly string[]): Promise<string> => output(binary, words, { folder: path, environment: { HELM_CONFIG_HOME: `${path}/config`, HELM_CACHE_HOME: `${path}/cache`, HELM_DATA_HOME: `${path}/data` } });
  return {
    login: async (user, password) => void (await run('registry', 'login', host, '--plain-http', '-u', user, '-p', password)),
    push: async (repository, greeting) => {
      const at = repository.lastIndexOf('/');
      const name = repository.slice(at + 1);
      await mkdir(join(path, name, 'templates'), { recursive: true });
      await writeFile(join(path, name, 'Chart.yaml'), `apiVersion: v2\nname: ${name}\nversion: 0.1.0\ndescription: ${greeting}\n`);
      await run('package', name);
      await run('push', `${name}-0.1.0.tgz`, `oci://${host}/${repository.slice(0, at)}`, '--plain-http');
    },
    pull: (repository) => run('show', 'chart', `oci://${host}/${repository}`, '--version', '0.1.0', '--plain-http'),
    close: () => folder.remove(),
  };
}
