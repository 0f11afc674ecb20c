import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { findBinary, freePort, temporaryFolder, type TemporaryFolder } from '@waybill/testing';
import { output } from '../clients/command.js';

const IMAGES = ['node:24-bookworm-slim', 'postgres:18', 'apache/kafka:4.1.1', 'minio/minio:latest', 'nginx:stable'];

/** Minutes that an image may take to build, and a project to come up, on a busy machine. */
const PATIENCE = 600;

/**
 * Why docker-compose.yml cannot be brought up here, in plain words; undefined where it can. It takes the engine that `docker` talks to (DOCKER_HOST)
 * and never starts one: containers that reach each other need rules in the firewall of the machine, which two engines would fight about.
 */
export function whyNoCompose(): string | undefined {
  const docker = findBinary('docker');
  if (docker === undefined) return 'docker is not found';
  const works = (...words: string[]): boolean => {
    try {
      execFileSync(docker, words, { stdio: 'ignore', timeout: 20_000 });
      return true;
    } catch {
      return false;
    }
  };
  if (!works('info')) return 'no Docker engine answers';
  if (!works('compose', 'version')) return 'docker has no compose plugin';
  const missing = IMAGES.filter((image) => !works('image', 'inspect', image));
  return missing.length === 0 ? undefined : `the engine has no image ${missing.join(', ')}`;
}

/** docker-compose.yml of this checkout as a project of its own: its containers, networks, volumes and image are nobody else's. */
export class ComposeProject {
  private constructor(
    readonly name: string,
    readonly host: string,
    readonly adminPassword: string,
    private readonly folder: TemporaryFolder,
  ) {}

  /** Builds the image from this checkout; nothing runs yet. The secrets are those of no example. */
  static async create(): Promise<ComposeProject> {
    const name = `waybill-e2e-${randomBytes(4).toString('hex')}`;
    const host = `127.0.0.1:${await freePort()}`;
    const folder = await temporaryFolder('compose');
    const example = readFileSync(join(process.cwd(), '.env.example'), 'utf8');
    const secrets = example.replaceAll(/^([A-Z_]+_(?:PASSWORD|SECRET))=.*$/gm, (_line, secret: string) => `${secret}=${randomBytes(12).toString('hex')}`);
    const adminPassword = randomBytes(12).toString('hex');
    await writeFile(join(folder.path, 'env'), `${secrets}\nWAYBILL_ADDRESS=${host}\nWAYBILL_PUBLIC_URL=http://${host}\nWAYBILL_ADMIN_PASSWORD=${adminPassword}\nWAYBILL_IMAGE=${name}\n`);
    const project = new ComposeProject(name, host, adminPassword, folder);
    await project.docker('build', '--quiet', '--network', 'host', '--tag', name, process.cwd());
    return project;
  }

  get baseUrl(): string {
    return `http://${this.host}`;
  }

  docker(...words: readonly string[]): Promise<string> {
    return output(findBinary('docker') ?? 'docker', words, { environment: { DOCKER_BUILDKIT: '0' }, limit: PATIENCE });
  }

  compose(...words: readonly string[]): Promise<string> {
    return this.docker('compose', '--project-name', this.name, '--env-file', join(this.folder.path, 'env'), ...words);
  }

  /** Containers of a service that run, by name. */
  async running(service: string): Promise<string[]> {
    return lines(await this.docker('ps', '--filter', `label=com.docker.compose.project=${this.name}`, '--filter', `label=com.docker.compose.service=${service}`, '--format', '{{.Names}}')).sort();
  }

  /** What of it is still there: containers, volumes and networks. */
  async remains(): Promise<string[]> {
    const label = ['--filter', `label=com.docker.compose.project=${this.name}`, '--quiet'];
    const lists = await Promise.all([this.docker('ps', '--all', ...label), this.docker('volume', 'ls', ...label), this.docker('network', 'ls', ...label)]);
    return lists.flatMap(lines);
  }

  logs(...services: readonly string[]): Promise<string> {
    return this.compose('logs', '--no-color', ...services);
  }

  /** Runs a program of ES module text in a container of the service, beside what that image has. */
  evaluate(service: string, program: string): Promise<string> {
    return this.compose('exec', '-T', service, 'node', '--input-type=module', '--eval', program);
  }

  async remove(): Promise<void> {
    await this.compose('down', '--volumes', '--timeout', '5');
    await this.docker('image', 'rm', '--force', this.name);
    await this.folder.remove();
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
