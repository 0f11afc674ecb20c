import { createHash } from 'node:crypto';
import { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { StorageFull } from '@waybill/oci';
import type { Client, S3Error } from 'minio';
import type { Breaker } from './breaker.js';
import type { S3Settings } from './s3-options.js';

/** Codes of a definite refusal that means no room. */
const FULL = new Set(['XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded', 'QuotaExceeded', 'InsufficientStorage', 'NoSpaceLeft', 'StorageFull']);
/** Refusals that say "try again", although the client does not treat them so. */
const PASSING = new Set(['RequestTimeout', 'SlowDown', 'ServiceUnavailable', 'InternalError', 'OperationAborted', '']);
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** Of the deadline of one try: what began later than this begins no further try, so that a call ends within two deadlines and not within `attempts` of them. */
const LAST_TRY_BEGINS = 1.5;

export interface Part {
  readonly part: number;
  readonly etag: string;
}

/** What a writer needs of S3Calls. */
export type S3PartCalls = Pick<S3Calls, 'put' | 'createUpload' | 'putPart' | 'completeUpload' | 'abortUpload'>;

/**
 * The S3 calls that the adapter makes, each with bounded retries. Repeating is safe for all of them: a key has one writer and is never
 * used again, so a PUT, a part or a completion that arrives twice is the same one.
 *
 * A PUT or a completion whose outcome is unknown (no answer, or a failure of the server) counts as done when a HEAD then shows an object
 * of the right size: S3 shows objects as a whole or not at all.
 */
export class S3Calls {
  constructor(private readonly client: Client, private readonly refusal: typeof S3Error, private readonly settings: S3Settings, private readonly breaker: Breaker) {}

  async put(object: string, body: Buffer): Promise<void> {
    await this.verified(object, body.length, async () => {
      await drained(await this.send({ method: 'PUT', bucketName: this.settings.bucket, objectName: object, headers: { ...this.settings.headers } }, body));
    });
  }

  createUpload(object: string): Promise<string> {
    return this.retried(() => this.client.initiateNewMultipartUpload(this.settings.bucket, object, { ...this.settings.headers }));
  }

  putPart(object: string, uploadId: string, part: number, body: Buffer): Promise<Part> {
    return this.retried(async () => {
      const query = `partNumber=${part}&uploadId=${encodeURIComponent(uploadId)}`;
      const response = await this.send({ method: 'PUT', bucketName: this.settings.bucket, objectName: object, query, headers: {} }, body);
      const { etag } = response.headers;
      await drained(response);
      if (etag === undefined) throw new Error(`S3 gave no ETag for part ${part} of ${object}`);
      return { part, etag: etag.replaceAll('"', '') };
    });
  }

  async completeUpload(object: string, uploadId: string, parts: readonly Part[], size: number): Promise<void> {
    await this.verified(object, size, async () => {
      await this.client.completeMultipartUpload(this.settings.bucket, object, uploadId, [...parts]);
    });
  }

  /** A multipart upload that is gone already is success. */
  async abortUpload(object: string, uploadId: string): Promise<void> {
    await this.retried(() => this.client.abortMultipartUpload(this.settings.bucket, object, uploadId)).catch((error: unknown) => {
      if (!this.isRefused(error, 'NoSuchUpload', 'NotFound', 'NoSuchKey')) throw error;
    });
  }

  /** The multipart uploads of exactly this object that were neither completed nor aborted. */
  async findUploads(object: string): Promise<string[]> {
    const { uploads } = await this.retried(() => this.client.listIncompleteUploadsQuery(this.settings.bucket, object, '', '', ''));
    return uploads.filter(upload => upload.key === object).map(upload => upload.uploadId);
  }

  async head(object: string): Promise<number | undefined> {
    try {
      return (await this.retried(() => this.client.statObject(this.settings.bucket, object))).size;
    } catch (error) {
      if (this.isMissing(error)) return undefined;
      throw error;
    }
  }

  async delete(object: string): Promise<void> {
    await this.retried(() => this.client.removeObject(this.settings.bucket, object)).catch((error: unknown) => {
      if (!this.isMissing(error)) throw error;
    });
  }

  /** @param length bytes wanted from `start` on; 0 asks for the whole object */
  get(object: string, start: number, length: number): Promise<IncomingMessage> {
    return this.retried(async () => {
      const response = await this.client.getPartialObject(this.settings.bucket, object, start, length);
      if (!(response instanceof IncomingMessage)) throw new Error('the S3 client gave no HTTP response');
      return response;
    });
  }

  presign(object: string, seconds: number): Promise<string> {
    return this.client.presignedGetObject(this.settings.bucket, object, seconds);
  }

  async bucketExists(): Promise<boolean> {
    return this.retried(() => this.client.bucketExists(this.settings.bucket));
  }

  isMissing(error: unknown): boolean {
    return this.isRefused(error, 'NoSuchKey', 'NotFound');
  }

  isRefused(error: unknown, ...codes: readonly string[]): boolean {
    return error instanceof this.refusal && codes.includes(error.code ?? '');
  }

  private send(options: { method: string; bucketName: string; objectName: string; query?: string; headers: Record<string, string> }, body: Buffer): Promise<IncomingMessage> {
    const sha256 = this.settings.signPayload ? createHash('sha256').update(body).digest('hex') : '';
    const headers = { ...options.headers, 'content-length': String(body.length) };
    return this.client.makeRequestStreamAsync({ ...options, headers }, body, sha256, [200], this.settings.region);
  }

  /** Makes `call` until it succeeds, or until a HEAD shows that an earlier try did. */
  private verified(object: string, size: number, call: () => Promise<void>): Promise<void> {
    let unclear = false;
    return this.retried(async () => {
      try {
        await call();
      } catch (error) {
        unclear ||= !this.isFinal(error);
        if (!unclear || (await this.sizeOf(object)) !== size) throw error;
      }
    });
  }

  /** Asked once; undefined where nobody says: then the error that made us ask is the one to tell. */
  private async sizeOf(object: string): Promise<number | undefined> {
    return this.client.statObject(this.settings.bucket, object).then(({ size }) => size, () => undefined);
  }

  /** @throws S3Away where S3 has not answered for a while */
  private async retried<T>(call: () => Promise<T>): Promise<T> {
    this.breaker.enter();
    const end = performance.now() + this.settings.timeoutMs * LAST_TRY_BEGINS;
    for (let attempt = 1; ; attempt++) {
      try {
        return await call();
      } catch (error) {
        if (this.isFinal(error) || attempt >= this.settings.attempts || performance.now() > end) throw this.told(error);
      }
      await pause(attempt);
    }
  }

  /** The server understood and refused: repeating would bring the same. */
  isFinal(error: unknown): boolean {
    return error instanceof this.refusal && !PASSING.has(error.code ?? '');
  }

  private told(error: unknown): unknown {
    return error instanceof this.refusal && FULL.has(error.code ?? '') ? new StorageFull(`the S3 bucket ${this.settings.bucket}`, error) : error;
  }
}

/** Exponential with full jitter, so that the clients of a server that comes back do not arrive together. */
function pause(attempt: number): Promise<void> {
  return delay(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
}

async function drained(response: IncomingMessage): Promise<void> {
  for await (const chunk of response) void chunk;
}
