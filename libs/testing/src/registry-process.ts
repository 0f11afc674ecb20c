import { readFile } from 'node:fs/promises';
import { get } from 'node:https';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RunningChild } from './child-process.js';
import { freePort } from './free-port.js';
import type { MemoryGroup } from './memory-group.js';
import type { RegistryUnderTest } from './registry-under-test.js';
import { startCommand } from './start-command.js';
import { temporaryFolder, type TemporaryFolder } from './temporary-folder.js';

const workspace = fileURLToPath(new URL('../../../', import.meta.url));
const start = startCommand(workspace);

export interface RegistryOptions {
  /** The program; `registry`, which has every role, unless given. */
  readonly app?: 'registry' | 'gateway' | 'blobs' | 'manifests' | 'relay' | 'tokens';
  /** Words of its command line, such as `--secure`. */
  readonly words?: readonly string[];
  /** Where it listens on 127.0.0.1; a free one unless given. */
  readonly port?: number;
  /** Further settings by their environment names, such as `WAYBILL_REGISTRY_READ_ONLY`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where the data is kept; a folder that `stop` removes unless given. */
  readonly dataFolder?: string;
  /** A Postgres of the caller's; one supervised by the registry unless given. */
  readonly databaseUrl?: string;
  /** The folder of another build; this one's unless given. */
  readonly workspace?: string;
  /** Its limit of memory; none unless given. */
  readonly memory?: MemoryGroup;
  /** Told of the process before it is ready. */
  readonly spawned?: (process: RegistryProcess) => void;
}

/** One of our apps in a process of its own, on ports and in a folder that nobody else uses. */
export class RegistryProcess implements RegistryUnderTest {
  #child: RunningChild;
  #earlier = '';

  private constructor(
    readonly baseUrl: string,
    readonly metricsUrl: string,
    readonly dataFolder: string,
    /** The whole command line. */
    private readonly command: readonly [string, ...string[]],
    private readonly environment: NodeJS.ProcessEnv,
    private readonly folder: TemporaryFolder | undefined,
  ) {
    this.#child = this.#spawn({});
  }

  /** Starts it and waits for the first 200, or challenge, on `/v2/`; of the roles that do not answer there, on `/readyz`. */
  static async start(options: RegistryOptions = {}): Promise<RegistryProcess> {
    const folder = options.dataFolder === undefined ? await temporaryFolder('reg') : undefined;
    const dataFolder = options.dataFolder ?? folder?.path ?? '';
    const [port, metricsPort] = [options.port ?? (await freePort()), await freePort()];
    const environment: NodeJS.ProcessEnv = {
      ...withoutSettings(process.env),
      ...start.environment,
      WAYBILL_HTTP_ADDRESS: `127.0.0.1:${port}`,
      WAYBILL_METRICS_ADDRESS: `127.0.0.1:${metricsPort}`,
      WAYBILL_DATA_DIR: dataFolder,
      ...(options.databaseUrl === undefined ? {} : { DATABASE_URL: options.databaseUrl }),
      ...options.settings,
    };
    const scheme = environment['WAYBILL_HTTP_TLS_CERT_FILE'] === undefined ? 'http' : 'https';
    const command = commandOf(options);
    const registry = new RegistryProcess(`${scheme}://127.0.0.1:${port}`, `http://127.0.0.1:${metricsPort}`, dataFolder, command, environment, folder);
    options.spawned?.(registry);
    try {
      await registry.#ready();
    } catch (error) {
      await registry.kill();
      await folder?.remove();
      throw error;
    }
    return registry;
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Of the Postgres that it supervises, by what that notes down itself: line 4 is the port, 5 the socket's folder. */
  async databaseUrl(): Promise<string> {
    const [, , , port, socketFolder] = (await this.#postmaster()).split('\n');
    if (port === undefined || socketFolder === undefined) throw new Error(`No Postgres of its own runs in ${this.dataFolder}.`);
    return `postgresql://waybill@localhost/postgres?host=${encodeURIComponent(socketFolder)}&port=${port.trim()}`;
  }

  /** SIGKILL to the postmaster of the Postgres that it supervises. */
  async killPostgres(): Promise<void> {
    process.kill(Number((await this.#postmaster()).split('\n', 1)[0]), 'SIGKILL');
  }

  logs(): string {
    return this.#earlier + this.#child.output;
  }

  async stop(): Promise<void> {
    const inTime = await this.#child.stop();
    await this.#postgresEnded();
    await this.folder?.remove();
    if (!inTime) throw new Error(`The registry did not end within 15 s of SIGTERM.\n${this.logs()}`);
  }

  /** SIGKILL: nothing is flushed, no connection is closed in order. The data stay. */
  async kill(): Promise<void> {
    await this.#child.stop('SIGKILL');
    await this.#postgresEnded();
  }

  /** Starts again after its end, on the same data and the same ports. @param settings beside those of the first start, for this one only */
  async restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#earlier = `${this.logs()}\n--- started again ---\n`;
    this.#child = this.#spawn(settings);
    await this.#ready();
  }

  get running(): boolean {
    return this.#child.running;
  }

  /** Resolves once it has ended, by itself or not. */
  ended(): Promise<void> {
    return this.#child.ended();
  }

  #spawn(settings: Readonly<Record<string, string>>): RunningChild {
    const [command, ...commandArguments] = this.command;
    return new RunningChild({ command, arguments: commandArguments, environment: { ...this.environment, ...settings }, folder: this.dataFolder });
  }

  /** Until it answers `/readyz` with 200: its database and its storage answer. */
  ready(): Promise<void> {
    return this.#child.waitUntil(async () => (await statusOf(`${this.baseUrl}/readyz`)) === 200);
  }

  #ready(): Promise<void> {
    if (['relay', 'tokens'].some((app) => this.command.some((word) => word.endsWith(join('apps', app, 'dist', 'main.js'))))) return this.ready();
    return this.#child.waitUntil(async () => [200, 401].includes((await statusOf(`${this.baseUrl}/v2/`)) ?? 0));
  }

  /** A supervised Postgres outlives a killed registry by a moment; until then its folder cannot be removed. */
  async #postgresEnded(): Promise<void> {
    for (let tries = 0; tries < 400 && (await this.#postgresRuns()); tries += 1) await delay(25);
  }

  #postmaster(): Promise<string> {
    return readFile(join(this.dataFolder, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
  }

  async #postgresRuns(): Promise<boolean> {
    const pid = Number((await this.#postmaster()).split('\n', 1)[0]);
    if (!Number.isInteger(pid) || pid <= 1) return false;
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  }
}

/** Over https too, whoever has signed the certificate. */
async function statusOf(url: string): Promise<number | undefined> {
  if (url.startsWith('http:')) return (await fetch(url)).status;
  return new Promise((resolve, reject) => {
    get(url, { agent: false, rejectUnauthorized: false }, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
  });
}

function commandOf({ app = 'registry', words = [], memory, ...options }: RegistryOptions): readonly [string, ...string[]] {
  const program = join(options.workspace ?? workspace, 'apps', app, 'dist', 'main.js');
  const command = [join(workspace, 'node_modules', '.bin', 'node'), '--enable-source-maps', ...start.flags, program, ...words] as const;
  return memory?.within(command) ?? command;
}

/** The environment of the tests themselves must not configure the registry. */
export function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(WAYBILL_|DATABASE_URL$|NODE_OPTIONS$|PG[A-Z]+$)/.test(name)));
}
