import { newStorageKey } from '../storage-key.js';
import { MOST_PARTS, PartPlan } from './part-plan.js';
import { S3Writer } from './s3-writer.js';
import type { Part, S3PartCalls } from './s3-calls.js';

/** Counts what would be sent: nobody sends 10,000 parts of 5 MiB, the smallest that a server takes, in a test. */
class CountedCalls implements S3PartCalls {
  readonly sizes: number[] = [];
  completed = 0;
  aborted = 0;
  mostBytes = 0;
  private flying = 0;

  put(): Promise<void> {
    return Promise.resolve();
  }

  createUpload(): Promise<string> {
    return Promise.resolve('upload');
  }

  async putPart(_object: string, _upload: string, part: number, body: Buffer): Promise<Part> {
    this.sizes[part - 1] = body.length;
    this.flying += body.length;
    this.mostBytes = Math.max(this.mostBytes, this.flying);
    await new Promise(setImmediate);
    this.flying -= body.length;
    return { part, etag: String(part) };
  }

  completeUpload(_object: string, _upload: string, parts: readonly Part[], size: number): Promise<void> {
    expect([parts.length, this.sizes.reduce((sum, each) => sum + each, 0)]).toEqual([this.sizes.length, size]);
    this.completed += 1;
    return Promise.resolve();
  }

  abortUpload(): Promise<void> {
    this.aborted += 1;
    return Promise.resolve();
  }
}

const KIB = 1024;
const plan = new PartPlan({ partSize: KIB, largestPart: 4 * KIB, partsInFlight: 3 });

async function write(calls: CountedCalls, bytes: number): Promise<void> {
  const writer = new S3Writer(newStorageKey(), undefined, { calls, object: 'o', partSize: KIB, partsInFlight: 3, plan, ended: () => undefined });
  const chunk = Buffer.alloc(64 * KIB);
  for (let left = bytes; left > 0; left -= chunk.length) await writer.write(left < chunk.length ? chunk.subarray(0, left) : chunk);
  await writer.commit();
}

describe('an upload of a size that nobody announced', () => {
  it('has larger parts where it has many, and ends where the plan does', async () => {
    const calls = new CountedCalls();
    await write(calls, plan.largestObject);
    expect([calls.sizes.length, calls.completed]).toEqual([MOST_PARTS, 1]);
    expect([calls.sizes[0], calls.sizes[500], calls.sizes[9_999]]).toEqual([KIB, 2 * KIB, 4 * KIB]);
    expect(calls.mostBytes).toBeLessThanOrEqual(4 * KIB);
  }, 60_000);

  it('is refused with 413 in plain words as soon as it is longer than that, and leaves nothing', async () => {
    const calls = new CountedCalls();
    await expect(write(calls, plan.largestObject + 1)).rejects.toMatchObject({ status: 413, code: 'BLOB_UPLOAD_INVALID', message: expect.stringContaining(`more than ${plan.largestObject} bytes`) });
    expect([calls.completed, calls.aborted]).toEqual([0, 1]);
  }, 60_000);
});
