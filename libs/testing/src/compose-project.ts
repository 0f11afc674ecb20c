import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findBinary } from './binaries.js';
import { freePort } from './free-port.js';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

const run = promisify(execFile);

const IMAGES = ['node:24-bookworm-slim', 'postgres:18', 'apache/kafka:4.1.1', 'minio/minio:latest', 'nginx:stable'];

/** Milliseconds that an image may take to build, and a project to come up, on a busy machine. */
const PATIENCE = 600_000;

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

/** Why the deployment of docker-compose.yml cannot be backed up here, in plain words; undefined where it can. */
export function whyNoDump(): string | undefined {
  const docker = findBinary('docker');
  try {
    const version = execFileSync(docker ?? 'docker', ['run', '--rm', '--network', 'none', '--entrypoint', 'pg_dump', 'postgres:18', '--version'], { encoding: 'utf8', timeout: 60_000 });
    return / 18\./.test(version) ? undefined : `the image postgres:18 has ${version.trim()}, which dumps no database of Postgres 18`;
  } catch {
    return 'the image postgres:18 has no pg_dump';
  }
}

/** docker-compose.yml of this checkout as a project of its own: its containers, networks, volumes and image are nobody else's. */
export class ComposeProject {
  /** Networks without a container that the engine does not remove. */
  private stuck: readonly string[] = [];

  private constructor(
    readonly name: string,
    readonly host: string,
    readonly adminPassword: string,
    private readonly folder: TemporaryFolder,
    private readonly files: readonly string[],
  ) {}

  /** Builds the image from this checkout; nothing runs yet. The secrets are those of no example. @param override a second compose file, as text */
  static async create(override?: string): Promise<ComposeProject> {
    const name = `waybill-e2e-${randomBytes(4).toString('hex')}`;
    const host = `127.0.0.1:${await freePort()}`;
    const folder = await temporaryFolder('compose');
    const example = readFileSync(join(process.cwd(), '.env.example'), 'utf8');
    const secrets = example.replaceAll(/^([A-Z_]+_(?:PASSWORD|SECRET))=.*$/gm, (_line, secret: string) => `${secret}=${randomBytes(12).toString('hex')}`);
    const adminPassword = randomBytes(12).toString('hex');
    await writeFile(join(folder.path, 'env'), `${secrets}\nWAYBILL_ADDRESS=${host}\nWAYBILL_PUBLIC_URL=http://${host}\nWAYBILL_ADMIN_PASSWORD=${adminPassword}\nWAYBILL_IMAGE=${name}\nWAYBILL_BACKUP=${join(folder.path, 'backup')}\n`);
    const second = join(folder.path, 'override.yml');
    if (override !== undefined) await writeFile(second, override);
    const project = new ComposeProject(name, host, adminPassword, folder, override === undefined ? [] : ['--file', join(process.cwd(), 'docker-compose.yml'), '--file', second]);
    await project.docker('build', '--quiet', '--network', 'host', '--tag', name, process.cwd());
    return project;
  }

  get baseUrl(): string {
    return `http://${this.host}`;
  }

  /** What it prints. Rejects with everything that it wrote when it fails or takes too long. */
  async docker(...words: readonly string[]): Promise<string> {
    try {
      const { stdout } = await run(findBinary('docker') ?? 'docker', words, { env: { ...process.env, DOCKER_BUILDKIT: '0' }, timeout: PATIENCE, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 });
      return stdout.trim();
    } catch (cause) {
      const wrote = (['stdout', 'stderr'] as const).map((stream) => String(Reflect.get(Object(cause), stream) ?? '').slice(-8000)).join('\n');
      throw new Error(`docker ${words.join(' ')} failed.\n${wrote}`, { cause });
    }
  }

  compose(...words: readonly string[]): Promise<string> {
    return this.docker('compose', '--project-name', this.name, '--env-file', join(this.folder.path, 'env'), ...this.files, ...words);
  }

  /** Containers of a service that run, by name. */
  async running(service: string): Promise<string[]> {
    return lines(await this.docker('ps', '--filter', `label=com.docker.compose.project=${this.name}`, '--filter', `label=com.docker.compose.service=${service}`, '--format', '{{.Names}}')).sort();
  }

  /** Ids of the first processes of all its containers that run. */
  async pids(): Promise<number[]> {
    const ids = lines(await this.docker('ps', '--quiet', '--filter', `label=com.docker.compose.project=${this.name}`));
    return ids.length === 0 ? [] : lines(await this.docker('inspect', '--format', '{{.State.Pid}}', ...ids)).map(Number);
  }

  /** What of it is still there: containers, volumes and networks. */
  async remains(): Promise<string[]> {
    const lists = await Promise.all([['ps', '--all'], ['volume', 'ls'], ['network', 'ls']].map((list) => this.docker(...list, '--quiet', ...this.ours)));
    return lists.flatMap(lines).filter((id) => !this.stuck.includes(id));
  }

  private get ours(): readonly string[] {
    return ['--filter', `label=com.docker.compose.project=${this.name}`];
  }

  logs(...services: readonly string[]): Promise<string> {
    return this.compose('logs', '--no-color', ...services);
  }

  /** Runs a program of ES module text in a container of the service, beside what that image has. */
  evaluate(service: string, program: string): Promise<string> {
    return this.compose('exec', '-T', service, 'node', '--input-type=module', '--eval', program);
  }

  /**
   * Takes it down with its volumes. Some releases of the engine forget to take a container that was killed out of a network's books, and then refuse to remove
   * the network although no container is there: that is said, and is not ours.
   */
  async down(...words: readonly string[]): Promise<void> {
    try {
      await this.compose('down', '--volumes', ...words);
    } catch (error) {
      if (!String(error).includes('has active endpoints') || (await this.docker('ps', '--all', '--quiet', ...this.ours)) !== '') throw error;
      this.stuck = lines(await this.docker('network', 'ls', '--quiet', ...this.ours));
      process.stderr.write(`the engine keeps ${this.stuck.length} networks that no container is in\n`);
    }
  }

  async remove(): Promise<void> {
    await this.down('--timeout', '5');
    await this.docker('image', 'rm', '--force', this.name);
    await this.folder.remove();
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
