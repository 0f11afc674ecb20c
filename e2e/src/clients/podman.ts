import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { writeBuildContext } from './build-context.js';
import { output } from './command.js';
import type { ImageClient } from './image-client.js';

/** Podman with a storage of its own. */
export class Podman implements ImageClient {
  readonly name = 'podman';

  private constructor(
    private readonly binary: string,
    private readonly folder: TemporaryFolder,
  ) {}

  static async create(binary: string): Promise<Podman> {
    const folder = await temporaryFolder('podman');
    await writeFile(`${folder.path}/auth.json`, '{}');
    return new Podman(binary, folder);
  }

  podman(...commandArguments: readonly string[]): Promise<string> {
    const { path } = this.folder;
    const own = ['--root', `${path}/root`, '--runroot', `${path}/run`, '--tmpdir', `${path}/tmp`, '--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', 'runc'];
    return output(this.binary, [...own, ...commandArguments], { environment: { REGISTRY_AUTH_FILE: `${path}/auth.json` } });
  }

  async push(reference: string, greeting: string): Promise<void> {
    const context = `${this.folder.path}/build-${randomUUID()}`;
    await writeBuildContext(context, greeting);
    await this.podman('build', '--isolation', 'chroot', '--network', 'host', '--tag', reference, context);
    await this.podman('push', '--tls-verify=false', reference);
  }

  async greetingOf(reference: string): Promise<string> {
    await this.podman('image', 'rm', '--all', '--force');
    await this.podman('pull', '--quiet', '--tls-verify=false', reference);
    // With limits of its own it runs where a test machine does not let it raise them; runc also runs where crun does not like the cgroups.
    return this.podman('run', '--rm', '--network', 'none', '--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024', reference, '/hello');
  }

  async login(host: string, name: string, secret: string): Promise<void> {
    await this.podman('login', '--tls-verify=false', '--username', name, '--password', secret, host);
  }

  async close(): Promise<void> {
    await this.podman('container', 'rm', '--all', '--force').catch(() => undefined);
    await this.folder.remove();
  }
}
