import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ComposeProject } from '@waybill/testing';
import type { MeasuredServer } from './server.js';

/** Where the replicas of the service `blobs` keep bytes. */
export type ComposeStorage = 'volume' | 'minio';

/** What runs; the parts that no request of the bench needs are left out, as in the deployments of processes. */
const SERVICES = ['nginx', 'gateway', 'blobs', 'manifests', 'relay'] as const;
const READY_MS = 120_000;

/** docker-compose.yml as it is, but for where bytes are, Kafka, and a line in the log for each request. */
export class ComposeServer implements MeasuredServer {
  private constructor(readonly name: string, private readonly project: ComposeProject, private readonly counters: readonly string[]) {}

  /** Builds the image from this checkout where that is not done yet, and resolves when a request is answered. */
  static async start(name: string, storage: ComposeStorage): Promise<ComposeServer> {
    const project = await ComposeProject.create(overrideOf(storage));
    try {
      await project.compose('up', '--detach', '--no-build', '--wait', ...SERVICES);
      await answers(project.baseUrl);
      return new ComposeServer(name, project, (await project.pids()).map(cpuCounter));
    } catch (error) {
      await project.remove();
      throw error;
    }
  }

  get port(): number {
    return Number(new URL(this.project.baseUrl).port);
  }

  /** Of all containers, by the counters of the kernel. What the engine itself spends on them is in none. */
  cpuSeconds(): number {
    return this.counters.reduce((sum, path) => sum + readSeconds(path), 0);
  }

  stop(): Promise<void> {
    return this.project.remove();
  }
}

type Environment = Readonly<Record<string, string>>;

/** Nobody is asked to log in, as in the deployments of processes: the network is this machine's own. An empty variable counts as not set. */
const OPEN: Environment = { WAYBILL_LOG_LEVEL: 'silent', WAYBILL_AUTH_MODE: 'none', WAYBILL_AUTH_ALLOW_UNAUTHENTICATED_NETWORK: 'true' };
const ON_VOLUME: Environment = { WAYBILL_STORAGE_DRIVER: 'filesystem', WAYBILL_STORAGE_ENDPOINT: '', WAYBILL_STORAGE_BUCKET: '', WAYBILL_STORAGE_ACCESS_KEY: '', WAYBILL_STORAGE_SECRET_KEY: '', WAYBILL_SETUP_BUCKET_USER_ACCESS_KEY: '', WAYBILL_SETUP_BUCKET_USER_SECRET_KEY: '' };

function overrideOf(storage: ComposeStorage): string {
  const bytes: Environment = storage === 'volume' ? ON_VOLUME : {};
  const servers = ['owner: { condition: service_completed_successfully }', ...(storage === 'minio' ? ['minio: { condition: service_healthy }'] : [])];
  return [
    'services:',
    ...service('gateway', { ...OPEN, WAYBILL_GATEWAY_TOKENS: '' }, ['blobs: { condition: service_started }', 'manifests: { condition: service_started }']),
    ...service('blobs', { ...OPEN, ...bytes }, []),
    ...(storage === 'volume' ? ['    volumes: ["bytes:/data"]'] : []),
    ...service('manifests', OPEN, []),
    ...service('relay', { WAYBILL_LOG_LEVEL: 'silent', WAYBILL_KAFKA_BROKERS: '' }, ['migrate: { condition: service_completed_successfully }']),
    ...service('migrate', bytes, servers),
    ...(storage === 'volume' ? ['volumes:', '  bytes:'] : []),
    '',
  ].join('\n');
}

/** @param needs what it waits for, instead of what docker-compose.yml says; empty: as that says */
function service(name: string, environment: Environment, needs: readonly string[]): string[] {
  return [
    `  ${name}:`,
    '    environment:', ...Object.entries({ WAYBILL_LOG_LEVEL: 'info', ...environment }).map(([key, value]) => `      ${key}: "${value}"`),
    ...(needs.length === 0 ? [] : ['    depends_on: !override', ...needs.map((need) => `      ${need}`)]),
  ];
}

async function answers(baseUrl: string): Promise<void> {
  for (const end = Date.now() + READY_MS; Date.now() < end; await sleep(200)) {
    const status = await fetch(`${baseUrl}/v2/`).then((answer) => answer.status, () => undefined);
    if (status === 200) return;
  }
  throw new Error(`The compose deployment did not answer GET /v2/ with 200 within ${READY_MS / 1000} s.`);
}

/** The file with the CPU time of the control group that a process is in, of either version of control groups. */
function cpuCounter(pid: number): string {
  const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n').map((line) => line.split(':'));
  const first = groups.find(([, controllers]) => controllers?.split(',').includes('cpuacct') === true);
  if (first !== undefined) return `/sys/fs/cgroup/${first[1]}${first[2]}/cpuacct.usage`;
  return `/sys/fs/cgroup${groups.find(([, controllers]) => controllers === '')?.[2] ?? ''}/cpu.stat`;
}

function readSeconds(path: string): number {
  const text = readFileSync(path, 'utf8');
  return path.endsWith('cpu.stat') ? Number(/^usage_usec (\d+)$/m.exec(text)?.[1]) / 1e6 : Number(text) / 1e9;
}
