import { randomUUID } from 'node:crypto';
import { cp } from 'node:fs/promises';
import { RunningChild, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { writeBuildContext, writeProgramTar } from './build-context.js';
import { output } from './command.js';
import type { ImageClient } from './image-client.js';

export interface DockerBinaries {
  readonly docker: string;
  readonly dockerd: string;
}

/** Folders as docker has them in `/etc/docker/certs.d`, by the host:port of the registry. */
export interface DockerCertificates {
  /** The program. Its own view of `/etc/docker` is all that the engine gets: the machine's stays as it is. */
  readonly unshare: string;
  readonly certificates: Readonly<Record<string, string>>;
}

/** A docker engine of its own, with its classic builder and image store, that touches no other engine of the machine. Needs to run as root. */
export class DockerEngine implements ImageClient {
  readonly name = 'docker';
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(
    private readonly binaries: DockerBinaries,
    private readonly folder: TemporaryFolder,
    private readonly daemon: RunningChild,
  ) {
    this.#environment = { DOCKER_HOST: socket(folder), DOCKER_CONFIG: `${folder.path}/config`, DOCKER_BUILDKIT: '0' };
  }

  static async start(binaries: DockerBinaries, own?: DockerCertificates): Promise<DockerEngine> {
    const folder = await temporaryFolder('docker');
    const { path } = folder;
    // No network for containers: the tests need none, and bridges and firewall rules would outlive them.
    const options = ['--data-root', `${path}/data`, '--exec-root', `${path}/exec`, '--pidfile', `${path}/pid`, '--host', socket(folder), '--storage-driver', 'overlay2', '--iptables=false', '--ip6tables=false', '--bridge=none'];
    const [command, ...first] = own === undefined ? [binaries.dockerd] : [own.unshare, '--mount', 'sh', '-euc', 'mkdir -p /etc/docker; mount --bind "$0" /etc/docker; exec "$@"', `${path}/etc`, binaries.dockerd];
    for (const [host, certificates] of Object.entries(own?.certificates ?? {})) await cp(certificates, `${path}/etc/certs.d/${host}`, { recursive: true });
    const daemon = new RunningChild({ command, arguments: [...first, ...options] });
    const engine = new DockerEngine(binaries, folder, daemon);
    try {
      await daemon.waitUntil(async () => (await engine.docker('version', '--format', '{{.Server.Version}}')) !== '');
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  /** Runs `docker` against this engine and gives what it prints. */
  docker(...commandArguments: readonly string[]): Promise<string> {
    return output(this.binaries.docker, commandArguments, { environment: this.#environment });
  }

  /** `docker import`s a base, builds on it, pushes both. */
  async push(reference: string, greeting: string): Promise<void> {
    const context = `${this.folder.path}/build-${randomUUID()}`;
    const base = `${reference}-base`;
    await this.docker('import', await writeProgramTar(`${context}-base`, `the base of ${greeting}`), base);
    await writeBuildContext(context, greeting, base);
    await this.docker('build', '--quiet', '--network', 'none', '--tag', reference, context);
    await this.docker('push', base);
    await this.docker('push', reference);
  }

  async greetingOf(reference: string): Promise<string> {
    await this.forget();
    await this.docker('pull', reference);
    return this.docker('run', '--rm', '--network', 'none', reference, '/hello');
  }

  /** Removes every image, so that the next pull brings every layer. */
  async forget(): Promise<void> {
    await this.docker('image', 'prune', '--all', '--force');
  }

  async login(host: string, name: string, secret: string): Promise<void> {
    await this.docker('login', host, '--username', name, '--password', secret);
  }

  async close(): Promise<void> {
    await this.daemon.stop('SIGTERM', 30);
    await this.folder.remove();
  }
}

function socket(folder: TemporaryFolder): string {
  return `unix://${folder.path}/socket`;
}

