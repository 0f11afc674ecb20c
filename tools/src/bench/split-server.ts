import { EmbeddedPostgres } from '@waybill/platform';
import { KafkaServer, startMinio, startSplitRegistry, type KafkaPrograms, type SplitRegistry } from '@waybill/testing';
import { LoadBalancer } from '../chaos/services/load-balancer.js';
import { treeCpuSeconds } from './process-tree.js';
import type { MeasuredServer } from './server.js';

/** Which servers a services deployment has beside Postgres. Paths of programs; what is left out is not there. */
export interface SplitServers {
  /** Blobs are in MinIO; in a folder that all replicas share where left out. */
  readonly minio?: string;
  /** In front, as in deploy/nginx; where left out, clients speak to the gateway. */
  readonly nginx?: string;
  /** The relay publishes to it; where left out, it only numbers the events. */
  readonly kafka?: KafkaPrograms;
}

export type Part = 'gateway' | 'blobs' | 'manifests' | 'relay' | 'postgres' | 's3' | 'kafka' | 'nginx';
type Ends = (() => Promise<unknown>)[];
type Pids = Map<Part, () => readonly number[]>;

/** Where clients go in, and where one replica of blobs is. */
interface Urls {
  readonly entry: string;
  readonly replica: string;
}

/** A gateway, replicas of each service and a relay, with servers of their own, all durable. */
export class SplitServer implements MeasuredServer {
  private constructor(readonly name: string, private readonly urls: Urls, private readonly pids: Pids, private readonly ends: Ends) {}

  /** @param folder an empty one for the database @param replicas of blobs and of manifests each */
  static async start(name: string, folder: string, replicas: number, servers: SplitServers): Promise<SplitServer> {
    const ends: Ends = [];
    const pids: Pids = new Map();
    try {
      return new SplitServer(name, await begin(folder, replicas, servers, { ends, pids }), pids, ends);
    } catch (error) {
      await endAll(ends);
      throw error;
    }
  }

  get port(): number {
    return portOf(this.urls.entry);
  }

  /** A replica of blobs by its own address, with the CPU of all. */
  get replica(): MeasuredServer {
    return { name: `${this.name}, a replica of blobs`, port: portOf(this.urls.replica), cpuSeconds: () => this.cpuSeconds() };
  }

  cpuSeconds(): number {
    return [...this.pids.keys()].reduce((sum, part) => sum + this.cpuOf(part), 0);
  }

  /** 0 where the deployment has no such part. */
  cpuOf(part: Part): number {
    return treeCpuSeconds(this.pids.get(part)?.() ?? []);
  }

  async stop(): Promise<void> {
    await endAll(this.ends);
  }
}

async function begin(folder: string, replicas: number, { minio, nginx, kafka }: SplitServers, { ends, pids }: { readonly ends: Ends; readonly pids: Pids }): Promise<Urls> {
  const postgres = await EmbeddedPostgres.start({ dataDirectory: folder, settings: { max_connections: 300 } });
  ends.push(() => postgres.stop());
  pids.set('postgres', () => (postgres.pid === undefined ? [] : [postgres.pid]));
  const settings: Record<string, string> = { WAYBILL_LOG_LEVEL: 'silent' };
  if (minio !== undefined) {
    const s3 = await startMinio(minio);
    ends.push(() => s3.stop());
    pids.set('s3', () => [s3.pid]);
    Object.assign(settings, { WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: s3.endpoint, WAYBILL_STORAGE_BUCKET: 'waybill', WAYBILL_STORAGE_ACCESS_KEY: s3.accessKey, WAYBILL_STORAGE_SECRET_KEY: s3.secretKey });
  }
  if (kafka !== undefined) {
    const server = await KafkaServer.start(kafka);
    ends.push(() => server.stop());
    pids.set('kafka', () => [server.pid]);
    settings['WAYBILL_KAFKA_BROKERS'] = server.broker;
  }
  const split = await startSplitRegistry({ databaseUrl: postgres.url, settings, replicas });
  ends.push(() => split.stop());
  for (const [part, processes] of partsOf(split)) pids.set(part, () => processes.map(({ pid }) => pid));
  const replica = split.blobs[0]?.baseUrl ?? '';
  if (nginx === undefined) return { entry: split.baseUrl, replica };
  const hostOf = ({ baseUrl }: { readonly baseUrl: string }): string => new URL(baseUrl).host;
  const balancer = await LoadBalancer.begin(nginx, { gateways: [hostOf(split.gateway)], blobs: split.blobs.map(hostOf) });
  ends.push(() => balancer.close());
  pids.set('nginx', () => [balancer.pid]);
  return { entry: balancer.baseUrl, replica };
}

function partsOf({ gateway, relay, blobs, manifests }: SplitRegistry): readonly (readonly [Part, SplitRegistry['blobs']])[] {
  return [['gateway', [gateway]], ['relay', [relay]], ['blobs', blobs], ['manifests', manifests]];
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** The last one first. */
async function endAll(ends: Ends): Promise<void> {
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
}
