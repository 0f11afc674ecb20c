import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { writeProgramTar } from './build-context.js';
import { output } from './command.js';
import type { ImageClient } from './image-client.js';

/** Crane; it runs no images, so the file system of what it pulled is searched instead. */
export class Crane implements ImageClient {
  readonly name = 'crane';

  private constructor(
    private readonly binary: string,
    private readonly folder: TemporaryFolder,
  ) {}

  static async create(binary: string): Promise<Crane> {
    return new Crane(binary, await temporaryFolder('crane'));
  }

  crane(...commandArguments: readonly string[]): Promise<string> {
    return output(this.binary, commandArguments, { environment: { DOCKER_CONFIG: this.folder.path } });
  }

  /** A path of its own that does not exist yet. */
  newPath(): string {
    return join(this.folder.path, randomUUID());
  }

  async push(reference: string, greeting: string): Promise<void> {
    const tar = await writeProgramTar(this.newPath(), greeting);
    await this.crane('append', '--new_layer', tar, '--new_tag', reference);
    await this.crane('mutate', '--set-platform', 'linux/amd64', '--cmd', '/hello', '--tag', reference, reference);
  }

  async greetingOf(reference: string): Promise<string> {
    await this.crane('validate', '--remote', reference);
    return this.crane('export', reference, '-');
  }

  async login(host: string, name: string, secret: string): Promise<void> {
    await this.crane('auth', 'login', host, '--username', name, '--password', secret);
  }

  async close(): Promise<void> {
    await this.folder.remove();
  }
}
