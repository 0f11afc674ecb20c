import type { IncomingMessage } from 'node:http';
import { BlobStorage, type BlobWriter, type ByteRange, type ByteSink, type StorageKey } from '../blob-storage.js';
import { ObjectMissing, TruncatedObject, WriterMisuse } from '../errors.js';
import type { S3Calls } from './s3-calls.js';
import { connect } from './s3-connection.js';
import { settingsOf, type S3Options, type S3Settings } from './s3-options.js';
import type { S3Transport } from './s3-transport.js';
import { S3Writer } from './s3-writer.js';

const CHECK_TRUST_MS = 10_000;
/** How often in a row a body that breaks off is taken up again... */
const RESUMES = 3;
/** ...and the bytes that make a new row: a long pull over a bad connection gets through as long as it moves. */
const RESUME_EARNED = 1024 * 1024;

/**
 * Objects in a bucket, each under `<prefix><last two hex digits of the key>/<key>`. The keys ascend with time; the two random digits
 * spread them, because S3 splits its load by the beginning of names.
 *
 * Calls: up to one part 1 PUT; more 1 POST, a PUT for each part, 1 POST; read 1 GET; stat 1 HEAD; delete of a committed object 1 DELETE.
 * Nothing is copied, listed or read back. An object is durable once its last call was answered, so persist asks nothing. A body that breaks off costs
 * one more GET, of what is missing.
 *
 * Rights needed: s3:PutObject, GetObject, DeleteObject, AbortMultipartUpload, and on the bucket s3:ListBucket (else a missing object is
 * answered 403) and s3:ListBucketMultipartUploads. A life-cycle rule that ends unfinished multipart uploads after some days is worth
 * having: a start whose answer was lost on the way leaves one without parts behind.
 */
export class S3BlobStorage extends BlobStorage {
  private readonly writers = new Map<StorageKey, S3Writer>();
  private trustedUntil = Number.NEGATIVE_INFINITY;

  private constructor(private readonly settings: S3Settings, private readonly calls: S3Calls, private readonly transport: S3Transport) {
    super();
  }

  /** Makes no call. */
  static async open(options: S3Options): Promise<S3BlobStorage> {
    const settings = settingsOf(options);
    const { calls, transport } = await connect(settings);
    return new S3BlobStorage(settings, calls, transport);
  }

  override get largest(): number {
    return this.settings.plan.largestObject;
  }

  override create(key: StorageKey, size?: number): BlobWriter {
    if (this.writers.has(key)) throw new WriterMisuse(key, 'is the second one of this key; make a new key for every upload');
    const { partSize, partsInFlight, plan } = this.settings;
    const writer = new S3Writer(key, size, { calls: this.calls, object: this.objectName(key), partSize, partsInFlight, plan, ended: () => this.writers.delete(key) });
    this.writers.set(key, writer);
    return writer;
  }

  override async persist(): Promise<void> {}

  override async read(key: StorageKey, range: ByteRange | undefined, sink: ByteSink): Promise<void> {
    const start = range?.start ?? 0;
    let response = await this.get(key, start, range ? range.end + 1 - start : 0);
    const wanted = range ? range.end + 1 - start : Number(response.headers['content-length']);
    let came = 0;
    for (let left = RESUMES, before = 0; ; left--, before = came) {
      const broken = await handOver(response, async chunk => {
        came += chunk.length;
        if (came > wanted) throw new Error(`S3 sent more than the ${wanted} bytes asked for of ${key}`);
        await sink(chunk);
      });
      if (came === wanted) return;
      if (came - before >= RESUME_EARNED) left = RESUMES;
      if (left === 0) throw new TruncatedObject(key, wanted - came, broken);
      // the same bytes: a key is written once
      response = await this.get(key, start + came, wanted - came);
    }
  }

  override stat(key: StorageKey): Promise<number | undefined> {
    return this.calls.head(this.objectName(key));
  }

  /**
   * Where the caller does not know that the key was committed, the unfinished uploads of exactly this name are looked up and aborted:
   * the caller has decided the deletion, the listing only finds the numbers that S3 wants for it.
   */
  override async delete(key: StorageKey, state?: 'committed'): Promise<void> {
    const object = this.objectName(key);
    await this.writers.get(key)?.cancel();
    if (state !== 'committed') {
      for (const uploadId of await this.calls.findUploads(object)) await this.calls.abortUpload(object, uploadId);
    }
    await this.calls.delete(object);
  }

  override presign(key: StorageKey, seconds: number): Promise<string> {
    return this.calls.presign(this.objectName(key), seconds);
  }

  /** Whether S3 answers, accepts the credentials and has the bucket, asked at most every 10 s. A full server is seen by the next write. */
  override async check(): Promise<void> {
    if (performance.now() < this.trustedUntil && !this.transport.breaker.failing) return;
    if (!(await this.calls.bucketExists())) throw new Error(`the S3 bucket ${this.settings.bucket} does not exist; the set-up step makes it`);
    this.trustedUntil = performance.now() + CHECK_TRUST_MS;
  }

  override async close(): Promise<void> {
    await Promise.all([...this.writers.values()].map(writer => writer.cancel()));
    this.transport.close();
  }

  private async get(key: StorageKey, start: number, length: number): Promise<IncomingMessage> {
    try {
      const response = await this.calls.get(this.objectName(key), start, length);
      // A server that ignores the range would send the object from its beginning.
      if (start > 0 && response.statusCode !== 206) {
        response.destroy();
        throw new Error(`S3 answered a ranged GET with ${response.statusCode} instead of 206`);
      }
      return response;
    } catch (error) {
      if (this.calls.isMissing(error)) throw new ObjectMissing(key, error);
      if (this.calls.isRefused(error, 'InvalidRange')) throw new TruncatedObject(key, length, error);
      throw error;
    }
  }

  private objectName(key: StorageKey): string {
    return `${this.settings.prefix}${key.slice(-2)}/${key}`;
  }
}

/** Gives every chunk to `take`, one at a time. Resolves at the end of the body, to the error where it broke off; rejects with what `take` did. */
async function handOver(response: IncomingMessage, take: ByteSink): Promise<Error | undefined> {
  try {
    for await (const chunk of response) {
      if (!Buffer.isBuffer(chunk)) throw new Error('the body of an S3 answer is not binary');
      await take(chunk);
    }
    return undefined;
  } catch (error) {
    if (response.errored !== null && response.errored === error) return response.errored;
    throw error;
  } finally {
    response.destroy();
  }
}
