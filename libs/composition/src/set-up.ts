import { setTimeout as delay } from 'node:timers/promises';
import { DependencyUnavailable } from '@waybill/oci';
import { ConfigRefused, DatabaseUnreachable, grantNobody, grantServices, migrate, PgDatabase, SERVICES, sqlState } from '@waybill/platform';
import type { Config, Passwords } from '@waybill/platform';
import type { BucketUser } from '@waybill/blob-storage/s3';
import { ensureAdmin } from './first-admin.js';
import { kafkaOptions, topicOptions } from './kafka-settings.js';

/** One thing that has to be there before the services begin. */
export interface SetUpStep {
  readonly name: string;
  /** The server that it needs, for a person: `the S3 server at http://minio:9000`. */
  readonly server: string;
  /**
   * Makes what is missing and answers what it did, in words for a person. Idempotent: it may run again, and at ten processes at once. Rejects with
   * DatabaseUnreachable or DependencyUnavailable where its server is not there yet, which is tried again, and with anything else for good.
   */
  run(): Promise<string>;
}

type S3Config = Extract<Config['storage'], { driver: 's3' }>;

const RETRY_MS = 500;
const TELL_EVERY_MS = 10_000;
/** What waiting does not mend: a password, a user, a database that there is none of. */
const LASTING = /^(28...|3D000)$/;

/**
 * What runs once before the services of a split deployment, as the owner of the schema: the only place with DDL. Rejects with an error whose message is
 * fit for a person; what was done until then stays, and the next run goes on.
 * @param say takes each line of what it does and of what it waits for
 */
export async function setUp(config: Config, say: (line: string) => void, steps: readonly SetUpStep[] = stepsOf(config)): Promise<void> {
  const deadline = performance.now() + config.setup.wait * 1000;
  for (const step of steps) say(`${step.name}: ${await whenThere(step, deadline, say)}`);
}

/**
 * In the order in which they run. A server that only some deployments have brings its step only there. With Kafka and without a database it is Kafka's
 * topics alone: who makes those needs no login of the schema's owner. @throws ConfigRefused where there is neither
 */
export function stepsOf(config: Config): SetUpStep[] {
  const url = config.database.url?.reveal();
  const topics: SetUpStep = { name: 'topics', server: 'Kafka', run: () => makeTopics(config) };
  const hasKafka = config.kafka.brokers.length > 0;
  if (url === undefined && hasKafka) return [{ name: 'schema, rights', server: 'no server', run: () => Promise.resolve('not looked at, because no database.url is given') }, topics];
  if (url === undefined) throw new ConfigRefused(['database.url (WAYBILL_DATABASE_URL or DATABASE_URL) is missing; expected the database that all services use, with the login that owns the schema']);
  const server = 'the database server';
  const steps: SetUpStep[] = [
    { name: 'schema', server, run: () => makeSchema(url) },
    { name: 'rights', server, run: () => giveRights(url, config.setup) },
  ];
  if (config.auth.mode !== 'none') steps.push({ name: 'admin', server, run: () => makeAdmin(url, config) });
  const { storage } = config;
  if (storage.driver === 's3') {
    const s3 = `the S3 server at ${storage.endpoint}`;
    steps.push({ name: 'bucket', server: s3, run: () => makeBucket(storage) });
    const user = bucketUserOf(config);
    if (user !== undefined) steps.push({ name: 'bucket user', server: s3, run: () => makeBucketUser(storage, user) });
  }
  if (hasKafka) steps.push(topics);
  return steps;
}

async function makeSchema(url: string): Promise<string> {
  const run = await migrate(url);
  const database = new PgDatabase({ url, poolSize: 1 });
  try {
    const [row] = await database.sql<{ made: number }>('SELECT es.ensure_partitions() AS made');
    return `${run.length === 0 ? 'is current' : `ran ${run.length} ${run.length === 1 ? 'migration' : 'migrations'}, up to ${run.at(-1)?.replace(/-\d+$/, '') ?? ''}`}; ${row?.made ?? 0} partitions made`;
  } finally {
    await database.close();
  }
}

async function giveRights(url: string, { roles, passwords }: Config['setup']): Promise<string> {
  if (roles === 'skip') {
    await grantNobody(url);
    return 'not given, as setup.roles says: the services log in as the owner of the schema';
  }
  const given: Passwords = Object.fromEntries(SERVICES.flatMap((service) => {
    const password = passwords[service]?.reveal();
    return password === undefined ? [] : [[service, password]];
  }));
  return [...(await grantServices(url, given)), `given to the roles of ${SERVICES.join(', ')}`].join('; ');
}

async function makeAdmin(url: string, config: Config): Promise<string> {
  const database = new PgDatabase({ url, poolSize: 1 });
  try {
    const made = await ensureAdmin(database, config);
    if (made === 'there') return 'somebody is admin';
    return made === 'made' ? 'made the user admin, with the password of admin.password' : `made the user admin. This is its password, shown only now: ${made.secret}`;
  } finally {
    await database.close();
  }
}

async function makeBucket(storage: S3Config): Promise<string> {
  const { ensureBucket } = await import('@waybill/blob-storage/s3');
  const made = await ensureBucket({ ...storage, secretKey: storage.secretKey.reveal(), attempts: 1 });
  return `${storage.bucket} ${made ? 'made' : 'is there'}`;
}

function bucketUserOf({ setup: { bucketUser: { accessKey, secretKey } } }: Config): BucketUser | undefined {
  if (accessKey === undefined && secretKey === undefined) return undefined;
  if (accessKey === undefined || secretKey === undefined) {
    throw new ConfigRefused(['setup.bucketUser.accessKey and setup.bucketUser.secretKey (WAYBILL_SETUP_BUCKET_USER_ACCESS_KEY, …_SECRET_KEY) go together, and one is missing; expected both, or none where no user is to be made']);
  }
  return { accessKey, secretKey: secretKey.reveal() };
}

async function makeBucketUser(storage: S3Config, user: BucketUser): Promise<string> {
  const { ensureBucketUser } = await import('@waybill/blob-storage/s3');
  await ensureBucketUser({ ...storage, secretKey: storage.secretKey.reveal(), attempts: 1 }, user);
  return `${user.accessKey} may use ${storage.bucket}, and nothing else`;
}

async function makeTopics(config: Config): Promise<string> {
  const { ensureTopics, isAway: brokersAway, openKafka } = await import('@waybill/event-log/kafka');
  const [options, topics] = [await kafkaOptions(config), topicOptions(config)];
  if (options === undefined) return 'not wanted';
  try {
    const made = await ensureTopics(openKafka(options), topics);
    return made.length === 0 ? 'are there' : `made ${made.join(' and ')}`;
  } catch (error) {
    throw brokersAway(error) ? new DependencyUnavailable('Kafka', error) : error;
  }
}

async function whenThere(step: SetUpStep, deadline: number, say: (line: string) => void): Promise<string> {
  for (let toldAt = Number.NEGATIVE_INFINITY; ; await delay(RETRY_MS)) {
    try {
      return await step.run();
    } catch (error) {
      const reason = reasonOf(error);
      if (!isAway(error)) throw new Error(`${step.name}, at ${step.server}: ${reason}`, { cause: error });
      if (performance.now() > deadline) throw new Error(`${step.name}: gave up waiting for ${step.server}, as setup.wait says. ${reason}`, { cause: error });
      if (performance.now() < toldAt + TELL_EVERY_MS) continue;
      say(`${step.name}: waits for ${step.server}. ${reason}`);
      toldAt = performance.now();
    }
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof DatabaseUnreachable) return !LASTING.test(sqlState(error.cause) ?? '');
  return error instanceof DependencyUnavailable;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof DependencyUnavailable ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
