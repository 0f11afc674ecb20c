import { serviceUrl, setUpDatabase, temporaryFolder } from '@waybill/testing';
import { Links } from './links.js';
import { LoadBalancer } from './load-balancer.js';
import { PostgresTarget } from './postgres.js';
import { Replica, type RoleName } from './replica.js';
import { KafkaTarget, StorageTarget, type Programs } from './servers.js';
import type { Target } from './target.js';

/** Of each role. */
const REPLICAS = 2;
/** Short where a run would otherwise wait for it. */
const SETTINGS = { WAYBILL_LOG_LEVEL: 'warn', WAYBILL_UPLOADS_REAP_EVERY: '5s', WAYBILL_SHUTDOWN_DRAIN_TIMEOUT: '8s', WAYBILL_HTTP_TRUSTED_PROXIES: '127.0.0.1' };

interface Parts {
  readonly postgres: PostgresTarget;
  readonly s3: StorageTarget;
  readonly kafka: KafkaTarget;
  readonly balancer: LoadBalancer;
  readonly replicas: readonly Replica[];
  readonly links: Links;
  /** The data folder of all roles, in which nothing may stay. */
  readonly folder: string;
}

/** The services deployment on one machine, each role twice, every process its own, and every way between them to be interrupted. */
export class ServicesDeployment {
  private constructor(readonly parts: Parts, private readonly ends: (() => Promise<unknown>)[]) {}

  static async start(programs: Programs): Promise<ServicesDeployment> {
    const ends: (() => Promise<unknown>)[] = [];
    try {
      return new ServicesDeployment(await begin(programs, ends), ends);
    } catch (error) {
      await endAll(ends);
      throw error;
    }
  }

  get baseUrl(): string {
    return this.parts.balancer.baseUrl;
  }

  /** Everything that can be killed or stopped. */
  get targets(): readonly Target[] {
    const { postgres, s3, kafka, balancer, replicas } = this.parts;
    return [...replicas, postgres, s3, kafka, balancer];
  }

  replicasOf(role: RoleName): readonly Replica[] {
    return this.parts.replicas.filter((replica) => replica.role === role);
  }

  async stop(): Promise<void> {
    await endAll(this.ends);
  }
}

async function begin(programs: Programs, ends: (() => Promise<unknown>)[]): Promise<Parts> {
  const links = new Links();
  ends.push(() => links.close());
  const folder = await temporaryFolder('services');
  ends.push(() => folder.remove());
  const closing = async <T extends { close(): Promise<void> }>(made: Promise<T>): Promise<T> => {
    const part = await made;
    ends.push(() => part.close());
    return part;
  };
  const [postgres, s3, kafka] = await Promise.all([closing(PostgresTarget.begin()), closing(StorageTarget.begin(programs.minio)), closing(KafkaTarget.begin(programs.kafka, links, REPLICAS))]);
  await setUpDatabase({ databaseUrl: postgres.url, settings: { ...s3.settings(s3.port), WAYBILL_KAFKA_BROKERS: kafka.broker } });

  const database = async (name: string, role: 'blobs' | 'manifests' | 'relay'): Promise<string> => serviceUrl(`postgresql://127.0.0.1:${await links.lay(`${name} to postgres`, postgres.socket)}/postgres`, role);
  const start = async (role: RoleName, i: number, settings: Readonly<Record<string, string>>): Promise<Replica> => {
    const name = `${role} ${i + 1}`;
    const databaseUrl = role === 'gateway' ? {} : { databaseUrl: await database(name, role) };
    const replica = await Replica.start(role, name, { ...databaseUrl, dataFolder: folder.path, settings: { ...SETTINGS, ...settings } });
    ends.push(() => replica.end());
    return replica;
  };
  const all = <T>(one: (i: number) => Promise<T>): Promise<T[]> => Promise.all(Array.from({ length: REPLICAS }, (_, i) => one(i)));
  const reached = (replicas: readonly Replica[]): Promise<string[]> => Promise.all(replicas.map(async ({ name, address }) => `127.0.0.1:${await links.lay(`gateways to ${name}`, Number(address.split(':')[1]))}`));
  const [blobs, manifests, relays] = await Promise.all([
    all(async (i) => start('blobs', i, s3.settings(await links.lay(`blobs ${i + 1} to s3`, s3.port)))),
    all((i) => start('manifests', i, {})),
    all((i) => start('relay', i, { WAYBILL_KAFKA_BROKERS: kafka.brokers[i] ?? '' })),
  ]);
  const [toBlobs, toManifests] = await Promise.all([reached(blobs), reached(manifests)]);
  const gateways = await all((i) => start('gateway', i, { WAYBILL_GATEWAY_BLOBS: toBlobs.join(','), WAYBILL_GATEWAY_MANIFESTS: toManifests.join(',') }));
  const balancer = await closing(LoadBalancer.begin(programs.nginx, { gateways: gateways.map(({ address }) => address), blobs: toBlobs }));
  return { postgres, s3, kafka, balancer, links, folder: folder.path, replicas: [...gateways, ...blobs, ...manifests, ...relays] };
}

/** The last one first. What does not end in order is told after all have ended. */
async function endAll(ends: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const end of ends.toReversed()) await end().catch((error: unknown) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, `Not everything ended in order: ${failures.map(String).join('; ')}`);
}
