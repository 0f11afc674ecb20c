import { randomUUID } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { output } from './command.js';
import type { ImageClient } from './image-client.js';
import { writeOciLayout } from './oci-layout.js';

/** Skopeo; it runs no images, so what it pulled is searched instead. */
export class Skopeo implements ImageClient {
  readonly name = 'skopeo';

  private constructor(
    private readonly binary: string,
    private readonly folder: TemporaryFolder,
  ) {}

  static async create(binary: string): Promise<Skopeo> {
    const folder = await temporaryFolder('skopeo');
    await writeFile(`${folder.path}/auth.json`, '{}');
    return new Skopeo(binary, folder);
  }

  skopeo(...commandArguments: readonly string[]): Promise<string> {
    return output(this.binary, commandArguments, { environment: { REGISTRY_AUTH_FILE: join(this.folder.path, 'auth.json') } });
  }

  /** A path of its own that does not exist yet. */
  newPath(): string {
    return join(this.folder.path, randomUUID());
  }

  async push(reference: string, greeting: string): Promise<void> {
    const layout = this.newPath();
    await writeOciLayout(layout, greeting, 'v1');
    await this.skopeo('copy', '--dest-tls-verify=false', `oci:${layout}:v1`, `docker://${reference}`);
  }

  async greetingOf(reference: string): Promise<string> {
    const folder = this.newPath();
    await this.skopeo('copy', '--src-tls-verify=false', `docker://${reference}`, `dir:${folder}`);
    const files = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file))));
    return files.map((bytes) => (bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes).toString('latin1')).join('\n');
  }

  async login(host: string, name: string, secret: string): Promise<void> {
    await this.skopeo('login', '--tls-verify=false', '--username', name, '--password', secret, host);
  }

  async close(): Promise<void> {
    await this.folder.remove();
  }
}
