import { Connection } from './connection.js';
import { smallImage, type SmallImage } from './image.js';
import type { Load } from './load.js';
import type { PushJob, RequestsJob } from './load-job.js';
import { pushImage } from './push.js';

function openAll(job: { port: number; connections: number }): Promise<Connection[]> {
  return Promise.all(Array.from({ length: job.connections }, () => Connection.open(job.port)));
}

/** Gives out the next request, or undefined when there is none left or the time is up. */
type NextRequest = (now: number) => Buffer | undefined;

/** One connection's loop: the next request as soon as the last is answered. Resolves when there is none left. */
function loop(connection: Connection, next: NextRequest, status: number, latencies: number[]): Promise<number> {
  let bytes = 0;
  connection.onBody = (part) => (bytes += part.length);
  return new Promise((resolve, reject) => {
    let began = performance.now();
    const send = (): void => {
      const request = next(began);
      if (request === undefined) return resolve(bytes);
      connection.exchange(request, answered, reject);
    };
    const answered = (response: { status: number; head: string }): void => {
      const now = performance.now();
      latencies.push(now - began);
      began = now;
      if (response.status !== status) return reject(new Error(`expected ${status}, got ${response.head.split('\r\n')[0] ?? ''}`));
      send();
    };
    send();
  });
}

/** Closed loops over prepared requests. See RequestsJob. */
export async function runRequests(job: RequestsJob): Promise<Load> {
  const list = job.list.map((bytes) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const connections = await openAll(job);
  const run = async (next: NextRequest): Promise<{ latencies: number[]; bytes: number }> => {
    const latencies: number[] = [];
    const counts = await Promise.all(connections.map((connection) => loop(connection, next, job.status, latencies)));
    return { latencies, bytes: counts.reduce((sum, count) => sum + count, 0) };
  };
  let at = 0;
  const timed = (seconds: number): NextRequest => {
    const until = performance.now() + seconds * 1000;
    return (now) => (now < until ? list[at++ % list.length] : undefined);
  };
  const upTo = (end: number): NextRequest => () => (at < end ? list[at++] : undefined);
  const once = job.seconds === 0;
  return {
    warmUp: async () => void (await run(once ? upTo(job.warmUp) : timed(job.warmUp))),
    measure: () => run(once ? upTo(list.length) : timed(job.seconds)),
  };
}

/** Images that one repository gets: peers pay more for each when there are many, and few repositories have hundreds. */
const IMAGES_PER_REPOSITORY = 20;

/** Closed loops of whole pushes. The images are made before the clock starts. See PushJob. */
export async function runPushes(job: PushJob): Promise<Load> {
  const connections = await openAll(job);
  const images = Array.from({ length: job.images + job.warmUp }, () => smallImage());
  let at = 0;
  const work = async (connection: Connection, repository: string, end: number, latencies: number[]): Promise<void> => {
    for (let image: SmallImage | undefined; at < end && (image = images[at]) !== undefined; ) {
      const number = at++;
      const began = performance.now();
      await pushImage(connection, `${repository}-${Math.floor(number / IMAGES_PER_REPOSITORY / connections.length)}`, `v${number}`, image);
      latencies.push(performance.now() - began);
    }
  };
  const run = async (end: number): Promise<{ latencies: number[]; bytes: number }> => {
    const latencies: number[] = [];
    await Promise.all(connections.map((connection, i) => work(connection, `${job.repository}-${i}`, end, latencies)));
    return { latencies, bytes: 0 };
  };
  return { warmUp: async () => void (await run(job.warmUp)), measure: () => run(images.length) };
}
