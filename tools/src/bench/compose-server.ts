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

/** An empty variable counts as not set. */
function overrideOf(storage: ComposeStorage): string {
  const bytes = storage === 'minio'
    ? []
    : ['WAYBILL_STORAGE_DRIVER: filesystem', ...['ENDPOINT', 'BUCKET', 'ACCESS_KEY', 'SECRET_KEY'].map((name) => `WAYBILL_STORAGE_${name}: ""`)];
  const service = (name: string, ...more: readonly string[]): string[] => [`  ${name}:`, '    environment:', '      WAYBILL_LOG_LEVEL: silent', ...(name === 'migrate' || name === 'blobs' ? bytes.map((line) => `      ${line}`) : []), ...more.map((line) => `    ${line}`)];
  const needs = storage === 'minio' ? ['depends_on: !override', '  postgres: { condition: service_healthy }', '  minio: { condition: service_healthy }'] : ['depends_on: !override', '  postgres: { condition: service_healthy }'];
  return [
    'services:',
    ...service('gateway'), ...service('manifests'), ...service('migrate', ...needs),
    ...service('blobs', ...(storage === 'volume' ? ['volumes: ["bytes:/data"]'] : [])),
    '  relay:', '    environment:', '      WAYBILL_LOG_LEVEL: silent', '      WAYBILL_KAFKA_BROKERS: ""', '    depends_on: !override', '      migrate: { condition: service_completed_successfully }',
    ...(storage === 'volume' ? ['volumes:', '  bytes:'] : []),
    '',
  ].join('\n');
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
