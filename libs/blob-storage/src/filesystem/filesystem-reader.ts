import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { ByteRange, ByteSink, StorageKey } from '../blob-storage.js';
import { ObjectMissing, TruncatedObject } from '../errors.js';
import { hasCode, openFile, readAt } from './disk.js';
import type { Pace } from './pace.js';

/** A range up to this size is read by one call. */
const SMALL = 64 * 1024;
/**
 * Size of each of a download's two buffers. 256 MiB from a warm page cache through a socket: two of 1 MiB 0.28 CPU s/GB and 4.0 GB/s,
 * two of 256 KiB 0.39 and 3.2, one of 1 MiB by readSync 0.28 and 3.5 (and it holds up the loop where the page cache is cold).
 */
const BUFFER = 1024 * 1024;
/** Buffers of downloads that have ended, for the next ones: left to the garbage, malloc keeps many times as much. */
const spare: Buffer[] = [];
const SPARE = 8;

/** Reads `range` of the file at `path`, which is the object `key`. The descriptor is closed whatever happens. */
export async function readFile(path: string, key: StorageKey, range: ByteRange | undefined, sink: ByteSink, pace: Pace): Promise<void> {
  const quick = pace.quick;
  const fd = await openObject(path, key, quick ? pace : undefined);
  try {
    const start = range?.start ?? 0;
    const length = range ? range.end + 1 - start : fstatSync(fd).size;
    if (length > SMALL) await readLarge({ fd, key, start, length }, sink);
    else if (length > 0) await sink(await readSmall({ fd, key, start, length }, quick ? pace : undefined));
  } finally {
    closeSync(fd);
  }
}

interface Extent {
  readonly fd: number;
  readonly key: StorageKey;
  readonly start: number;
  readonly length: number;
}

async function openObject(path: string, key: StorageKey, pace: Pace | undefined): Promise<number> {
  try {
    return pace ? pace.measure(() => openSync(path, constants.O_RDONLY)) : await openFile(path, constants.O_RDONLY);
  } catch (error) {
    throw hasCode(error, 'ENOENT') ? new ObjectMissing(key, error) : error;
  }
}

async function readSmall({ fd, key, start, length }: Extent, pace: Pace | undefined): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const bytes = pace ? pace.measure(() => readSync(fd, buffer, 0, length, start)) : await readAt(fd, buffer, length, start);
  if (bytes < length) throw new TruncatedObject(key, length - bytes);
  return buffer;
}

/** Reads ahead into one buffer while the sink holds the other. */
async function readLarge({ fd, key, start, length }: Extent, sink: ByteSink): Promise<void> {
  const size = Math.min(BUFFER, length);
  let [filling, held] = [take(size), take(size)];
  let sunk: Promise<void> | undefined;
  for (let done = 0; done < length;) {
    const bytes = await readAt(fd, filling, Math.min(size, length - done), start + done);
    await sunk;
    if (bytes === 0) throw new TruncatedObject(key, length - done);
    done += bytes;
    sunk = sink(bytes === size ? filling : filling.subarray(0, bytes));
    // Its failure is told by the await above or below; until then it must not count as unhandled.
    sunk.catch(() => undefined);
    [filling, held] = [held, filling];
  }
  await sunk;
  // only now: the buffers of a download that failed may still stand in the queue of its socket
  for (const buffer of [filling, held]) if (buffer.length === BUFFER && spare.length < SPARE) spare.push(buffer);
}

function take(size: number): Buffer {
  return (size === BUFFER ? spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
}
