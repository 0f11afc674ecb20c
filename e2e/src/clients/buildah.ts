import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { writeBuildContext } from './build-context.js';
import { output } from './command.js';
import type { ImageClient } from './image-client.js';

/** Buildah with a storage of its own. */
export class Buildah implements ImageClient {
  readonly name = 'buildah';

  private constructor(
    private readonly binary: string,
    private readonly folder: TemporaryFolder,
  ) {}

  static async create(binary: string): Promise<Buildah> {
    const folder = await temporaryFolder('buildah');
    await writeFile(`${folder.path}/auth.json`, '{}');
    return new Buildah(binary, folder);
  }

  buildah(...commandArguments: readonly string[]): Promise<string> {
    const { path } = this.folder;
    return output(this.binary, ['--root', `${path}/root`, '--runroot', `${path}/run`, '--storage-driver', 'vfs', ...commandArguments], { environment: { REGISTRY_AUTH_FILE: `${path}/auth.json` } });
  }

  async push(reference: string, greeting: string): Promise<void> {
    const context = `${this.folder.path}/build-${randomUUID()}`;
    await writeBuildContext(context, greeting);
    await this.buildah('bud', '--isolation', 'chroot', '--network', 'host', '--tag', reference, context);
    await this.buildah('push', '--tls-verify=false', reference);
  }

  async greetingOf(reference: string): Promise<string> {
    await this.buildah('rmi', '--all', '--force').catch(() => undefined);
    const container = await this.buildah('from', '--quiet', '--tls-verify=false', '--pull-always', reference);
    const greeting = await this.buildah('run', '--isolation', 'chroot', container, '/hello');
    await this.buildah('rm', container);
    return greeting;
  }

  async login(host: string, name: string, secret: string): Promise<void> {
    await this.buildah('login', '--tls-verify=false', '--username', name, '--password', secret, host);
  }

  async close(): Promise<void> {
    await this.buildah('rm', '--all').catch(() => undefined);
    await this.folder.remove();
  }
}
