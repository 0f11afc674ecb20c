import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKafka } from '@waybill/event-log/kafka';
import { verifyLog } from '@waybill/event-log/postgres';
import { topicFaults, wholeTopic } from '@waybill/event-log/testing/topic';
import { Client } from 'minio';
import type { Database } from '@waybill/platform';
import type { ServicesDeployment } from './deployment.js';

const EVENTS = 'waybill.events.v1';
/** For the relay to have caught up, and the reaper to have removed what is due. */
const CAUGHT_UP_MS = 120_000;
/** Around a crash: three times the delay of Postgres' writer of the log are 600 ms, and a busy machine needs a moment to kill. */
const FORGOTTEN_MS = 1_500;

export interface Checked {
  readonly violations: readonly string[];
  readonly events: number;
  /** Messages that a reader of the topic drops because it has seen their sequence. */
  readonly repeated: number;
  readonly objects: number;
  /** Of them those of uploads that a crash of Postgres made it forget. */
  readonly forgotten: number;
}

/** What must hold of log, topic and storage when nothing is broken any more and nobody writes. */
export async function checkServices({ parts: { postgres, kafka, s3, folder } }: ServicesDeployment): Promise<Checked> {
  const { database } = postgres;
  const violations: string[] = [];
  if (!(await within(CAUGHT_UP_MS, async () => (await unpublished(database)) === 0))) violations.push(`${await unpublished(database)} events had no number, or were not in Kafka, ${CAUGHT_UP_MS / 1000} s after the last push`);
  const { differences, truncated, sealed } = await verifyLog(database);
  violations.push(...differences.map((difference) => `log:verify: ${JSON.stringify(difference)}`), ...(truncated ? ['log:verify found more differences than it tells'] : []));
  const messages = await wholeTopic(openKafka({ brokers: [kafka.broker], clientId: 'chaos' }), EVENTS, sealed, CAUGHT_UP_MS);
  violations.push(...topicFaults(messages, sealed).map((fault) => `topic: ${fault}`));
  const unknown = async (): Promise<readonly string[]> => (await unknownObjects(database, s3.access)).filter((name) => !isForgotten(name, postgres.crashes));
  if (!(await within(CAUGHT_UP_MS, async () => (await unknown()).length === 0))) violations.push(...(await unknown()).map((name) => `the bucket has ${name}, which no row of the database knows`));
  const left = await readdir(folder, { recursive: true });
  if (left.length > 0) violations.push(`the data folder of the services has ${left.slice(0, 10).join(', ')}`);
  const forgotten = (await unknownObjects(database, s3.access)).filter((name) => isForgotten(name, postgres.crashes)).length;
  return { violations, events: sealed, repeated: messages.length - sealed, objects: (await objectsOf(s3.access)).length, forgotten };
}

/**
 * Claims of uploads do not wait for the disk, so a crash of the database may cost an upload that had just begun its row; then nothing leads to its object.
 * The key says when that was (UUID version 7).
 */
function isForgotten(name: string, crashes: readonly number[]): boolean {
  const made = Number.parseInt((name.split('/').at(-1) ?? '').replace('-', '').slice(0, 12), 16);
  return crashes.some((crash) => made > crash - FORGOTTEN_MS && made <= crash + FORGOTTEN_MS);
}

/** Events without a number, and those with one that are not published yet. */
async function unpublished(database: Database): Promise<number> {
  const [row] = await database.sql<{ count: string }>(`SELECT (SELECT count(*) FROM es.pending) + last_seq - coalesce((SELECT seq FROM es.consumer WHERE name LIKE 'kafka:%'), 0) AS count FROM es.sealer`);
  return Number(row?.count ?? Number.NaN);
}

type Access = ServicesDeployment['parts']['s3']['access'];

/** Objects, and unfinished ones, that no row will lead to: nobody would ever remove them. */
async function unknownObjects(database: Database, access: Access): Promise<readonly string[]> {
  // the objects first: whatever is written after that has its row by then
  const names = await objectsOf(access);
  const rows = await database.sql<{ key: string }>(`SELECT storage_key AS key FROM reg.object UNION SELECT storage_key FROM reg.blob
    UNION SELECT writing_key FROM reg.upload_session WHERE writing_key IS NOT NULL UNION SELECT unnest(segments) FROM reg.upload_session`);
  const known = new Set(rows.map(({ key }) => key));
  return names.filter((name) => !known.has(name.split('/').at(-1) ?? ''));
}

async function objectsOf({ port, bucket, accessKey, secretKey }: Access): Promise<string[]> {
  const client = new Client({ endPoint: '127.0.0.1', port, useSSL: false, accessKey, secretKey });
  const names: string[] = [];
  for await (const object of client.listObjectsV2(bucket, '', true)) names.push(String(object.name));
  for await (const started of client.listIncompleteUploads(bucket, '', true)) names.push(`unfinished ${started.key}`);
  return names;
}

async function within(milliseconds: number, holds: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + milliseconds; performance.now() < end; await sleep(200)) if (await holds()) return true;
  return false;
}
