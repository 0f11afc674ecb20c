import { createHash, randomBytes } from 'node:crypto';
import { Connection, getRequest, streamingHead } from './connection.js';
import type { Load, Measured } from './load.js';
import type { DownloadJob, UploadJob } from './load-job.js';
import { chunked, expectStatus, locationPath, withDigest } from './push.js';

const MIB = 1024 * 1024;

/** GETs of one large body on each connection. Bytes are counted, and hashed in the warm-up only. */
export async function runDownloads(job: DownloadJob): Promise<Load> {
  const connections = await Promise.all(Array.from({ length: job.connections }, () => Connection.open(job.port, MIB)));
  const request = getRequest(job.path);
  const get = async (connection: Connection, onBytes?: (bytes: Buffer) => void): Promise<number> => {
    let received = 0;
    connection.onBody = (bytes) => {
      received += bytes.length;
      onBytes?.(bytes);
    };
    const began = performance.now();
    expectStatus(await connection.send(request), 200, 'GET blob');
    if (received !== job.bytes) throw new Error(`GET blob: expected ${job.bytes} bytes, got ${received}`);
    return performance.now() - began;
  };
  return {
    warmUp: async () => {
      const hash = createHash('sha256');
      for (const [i, connection] of connections.entries()) await get(connection, i === 0 ? (bytes) => hash.update(bytes) : undefined);
      const digest = `sha256:${hash.digest('hex')}`;
      if (digest !== job.digest) throw new Error(`GET blob: expected the bytes of ${job.digest}, got ${digest}`);
    },
    measure: async () => {
      const each = connections.map(async (connection) => {
        const latencies: number[] = [];
        for (let i = 0; i < job.times; i++) latencies.push(await get(connection));
        return latencies;
      });
      const latencies = (await Promise.all(each)).flat();
      return { latencies, bytes: job.bytes * latencies.length };
    },
  };
}

/** A layer that repeats one random MiB, so that it can be larger than memory. The first block makes it distinct. */
interface Layer {
  readonly digest: string;
  readonly bytes: number;
  readonly first: Buffer;
  readonly other: Buffer;
}

function makeLayer(bytes: number, other: Buffer): Layer {
  const first = randomBytes(Math.min(MIB, bytes));
  const hash = createHash('sha256');
  for (let at = 0; at < bytes; at += MIB) hash.update((at === 0 ? first : other).subarray(0, Math.min(MIB, bytes - at)));
  return { digest: `sha256:${hash.digest('hex')}`, bytes, first, other };
}

/** Sends a layer in blocks of 1 MiB; each is framed before the clock starts, so both ways of framing cost the generator the same. */
async function sendLayer(connection: Connection, layer: Layer, frame: (block: Buffer) => Buffer): Promise<void> {
  const first = frame(layer.first);
  const other = frame(layer.other);
  for (let at = 0; at < layer.bytes; at += MIB) {
    const size = Math.min(MIB, layer.bytes - at);
    const whole = at === 0 ? first : other;
    await connection.write(size === MIB || at === 0 ? whole : frame(layer.other.subarray(0, size)));
  }
}

const CHUNKED_END = Buffer.from('0\r\n\r\n');
const withoutEnd = (block: Buffer): Buffer => chunked(block).subarray(0, -CHUNKED_END.length);

async function upload(connection: Connection, job: UploadJob, layer: Layer): Promise<number> {
  const began = performance.now();
  const post = expectStatus(await connection.send(getRequest(`/v2/${job.repository}/blobs/uploads/`, 'POST')), 202, 'POST of an upload');
  if (job.method === 'patch') {
    await connection.write(streamingHead('PATCH', locationPath(post)));
    await sendLayer(connection, layer, withoutEnd);
    const patch = expectStatus(await connection.send(CHUNKED_END), 202, 'PATCH');
    expectStatus(await connection.send(getRequest(withDigest(locationPath(patch), layer.digest), 'PUT')), 201, 'PUT of an upload');
  } else {
    await connection.write(streamingHead('PUT', withDigest(locationPath(post), layer.digest), layer.bytes));
    await sendLayer(connection, { ...layer, bytes: layer.bytes - MIB }, (block) => block);
    expectStatus(await connection.send(layer.other), 201, 'PUT of an upload');
  }
  return performance.now() - began;
}

/** Uploads of large layers, whose digests are computed before the clock starts. `bytes` is a multiple of 1 MiB, two at least. */
export async function runUploads(job: UploadJob): Promise<Load> {
  const connection = await Connection.open(job.port);
  const other = randomBytes(MIB);
  const small = Math.max(2, Math.floor(job.bytes / MIB / 10)) * MIB;
  const layers = Array.from({ length: job.times }, () => makeLayer(job.bytes, other));
  return {
    warmUp: async () => void (await upload(connection, job, makeLayer(small, other))),
    measure: async (): Promise<Measured> => {
      const latencies: number[] = [];
      for (const layer of layers) latencies.push(await upload(connection, job, layer));
      return { latencies, bytes: job.bytes * layers.length, digests: layers.map(({ digest }) => digest) };
    },
  };
}
