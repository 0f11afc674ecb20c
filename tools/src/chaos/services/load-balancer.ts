import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, RunningChild, temporaryFolder } from '@waybill/testing';
import { treePids } from '../../bench/process-tree.js';
import { signal, type Target } from './target.js';

const CONFIGURATION = fileURLToPath(new URL('../../../../deploy/nginx/nginx.conf', import.meta.url));

export interface Upstreams {
  /** Of each `host:port` of its replicas. */
  readonly gateways: readonly string[];
  readonly blobs: readonly string[];
}

/** nginx with the configuration of deploy/nginx. On one machine its replicas are told apart by their ports, so that they are listed instead of found by name. */
export class LoadBalancer implements Target {
  readonly name = 'nginx';

  private constructor(private readonly address: string, private readonly spawn: () => RunningChild, private child: RunningChild, private readonly remove: () => Promise<void>) {}

  static async begin(binary: string, { gateways, blobs }: Upstreams): Promise<LoadBalancer> {
    const folder = await temporaryFolder('nginx');
    const address = `127.0.0.1:${await freePort()}`;
    const written = await readFile(CONFIGURATION, 'utf8');
    const listed = written.replace('http {\n', `http {\n${upstream('gateways', gateways)}${upstream('blobs_replicas', blobs)}`);
    if (listed === written) throw new Error(`${CONFIGURATION}: expected a line "http {"`);
    await writeFile(join(folder.path, 'nginx.conf'), listed);
    await writeFile(join(folder.path, 'deployment.conf'), `listen ${address};\nset $gateway gateways;\nset $blobs blobs_replicas;\n`);
    const words = ['-p', folder.path, '-e', 'stderr', '-c', join(folder.path, 'nginx.conf'), '-g', `daemon off;${process.getuid?.() === 0 ? ' user root;' : ''}`];
    const spawn = (): RunningChild => new RunningChild({ command: binary, arguments: words });
    const balancer = new LoadBalancer(address, spawn, spawn(), () => folder.remove());
    await balancer.ready();
    return balancer;
  }

  get baseUrl(): string {
    return `http://${this.address}`;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Its workers too, which would outlive the first process and keep the port; that one is stopped first, so that it makes no new ones. */
  async kill(): Promise<void> {
    signal(this.pid, 'SIGSTOP');
    for (const pid of treePids([this.pid])) signal(pid, 'SIGKILL');
    await this.child.stop('SIGKILL');
  }

  async end(): Promise<void> {
    if (!(await this.child.stop())) throw new Error('nginx did not end within 15 s of SIGTERM.');
  }

  async start(): Promise<void> {
    this.child = this.spawn();
    await this.ready();
  }

  logs(): string {
    return this.child.output;
  }

  async close(): Promise<void> {
    await this.child.stop();
    await this.remove();
  }

  private ready(): Promise<void> {
    return this.child.waitUntil(async () => (await fetch(`${this.baseUrl}/-/refused`)).status === 404);
  }
}

function upstream(name: string, addresses: readonly string[]): string {
  return `  upstream ${name} {\n${addresses.map((address) => `    server ${address} max_fails=1 fail_timeout=1s;\n`).join('')}  }\n`;
}
