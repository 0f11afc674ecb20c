import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { output, run, type CommandOptions, type CommandResult } from './command.js';
import type { ImageClient } from './image-client.js';
import { writeOciLayout } from './oci-layout.js';

/** Regctl; it runs no images, so the file in what it pulled is read instead. */
export class Regctl implements ImageClient {
  readonly name = 'regctl';

  private constructor(
    private readonly binary: string,
    private readonly folder: TemporaryFolder,
  ) {}

  /** @param chunk bytes; blobs that are larger are pushed in chunks of this size, with a Content-Range each */
  static async create(binary: string, host: string, chunk?: number): Promise<Regctl> {
    const regctl = new Regctl(binary, await temporaryFolder('regctl'));
    await regctl.regctl('registry', 'set', host, '--tls', 'disabled', '--skip-check', ...(chunk === undefined ? [] : ['--blob-chunk', String(chunk), '--blob-max', String(chunk)]));
    return regctl;
  }

  regctl(...commandArguments: readonly string[]): Promise<string> {
    return output(this.binary, commandArguments, { environment: this.#environment });
  }

  /** The same with bytes in and out. */
  raw(commandArguments: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return run(this.binary, commandArguments, { ...options, environment: this.#environment });
  }

  /** A path of its own that does not exist yet. */
  newPath(): string {
    return join(this.folder.path, randomUUID());
  }

  async push(reference: string, greeting: string): Promise<void> {
    const layout = this.newPath();
    await writeOciLayout(layout, greeting, 'v1');
    await this.regctl('image', 'copy', `ocidir://${layout}:v1`, reference);
  }

  async greetingOf(reference: string): Promise<string> {
    return (await this.raw(['image', 'get-file', '--platform', 'linux/amd64', reference, '/hello'])).stdout.toString('latin1');
  }

  async login(host: string, name: string, secret: string): Promise<void> {
    await this.regctl('registry', 'login', host, '--user', name, '--pass', secret);
  }

  async close(): Promise<void> {
    await this.folder.remove();
  }

  get #environment(): NodeJS.ProcessEnv {
    return { REGCTL_CONFIG: join(this.folder.path, 'config.json'), DOCKER_CONFIG: this.folder.path };
  }
}
