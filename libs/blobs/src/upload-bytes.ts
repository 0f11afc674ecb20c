import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { BlobStorage, BlobWriter, StorageKey } from '@waybill/blob-storage';
import { blobTooLarge, digestAlgorithm, digestFrom, OciError, sizeInvalid } from '@waybill/oci';
import type { ByteRange, Digest, DigestAlgorithm } from '@waybill/oci';
import { hasBody } from '@waybill/platform';
import { SMALL_BODY } from './small-body.js';
import type { BodyStart } from './small-body.js';
import { announcedLength, transfer } from './transfer.js';
import type { Segment, UploadSession } from './upload-session-table.js';

/** A committed object with the digest of its bytes. */
export interface HashedObject extends Segment {
  readonly hash: Digest;
}

/** What was received; `hash` where it was asked for. */
export interface Received {
  readonly segment: Segment;
  readonly hash: Digest | undefined;
  /** The client went away before the end. */
  readonly aborted: boolean;
}

/** The way of an upload's bytes into the storage. Each object is written under a key that the caller has an intent for. */
export class UploadBytes {
  constructor(private readonly storage: BlobStorage) {}

  /** Resolves when the object survives a power failure. */
  persist(key: StorageKey): Promise<void> {
    return this.storage.persist(key);
  }

  /** Removes an object whose intent is kept for the reaper; a failure is the reaper's to mend. */
  async discard(key: StorageKey): Promise<void> {
    await this.storage.delete(key).catch(() => undefined);
  }

  /** Writes bytes that are all there. */
  async writeWhole(key: StorageKey, chunks: readonly Buffer[]): Promise<void> {
    await this.write(key, async (writer) => {
      for (const chunk of chunks) await writer.write(chunk);
      await writer.commit();
    });
  }

  /** Before a byte is read. @param held bytes that the upload has already. @throws OciError BLOB_UPLOAD_INVALID (413) where they and the announced ones are too many */
  demandRoom(held: number, source: IncomingMessage): void {
    if (held + (announcedLength(source) ?? 0) > this.storage.largest) throw blobTooLarge(this.storage.largest);
  }

  /** Writes a request's body, of which `start` was taken already; nothing is committed of an empty one. @throws OciError SIZE_INVALID */
  receive(key: StorageKey, source: IncomingMessage, start: BodyStart, algorithm: DigestAlgorithm | undefined, range: ByteRange | undefined): Promise<Received> {
    const hash = algorithm && createHash(algorithm);
    // without an announced size: what a client that goes away has sent by then is committed as well
    return this.write(key, async (writer) => {
      const end = await transfer(source, writer, hash, start.chunks);
      if (end === 'complete') checkLength(writer.size, range);
      if (writer.size === 0) {
        await writer.cancel();
      } else {
        await writer.commit();
        // before the session says what it holds: after a loss of power its word counts without another look
        await this.storage.persist(key);
      }
      return { segment: { key, size: writer.size }, hash: algorithm && hash && digestFrom(algorithm, hash), aborted: end === 'aborted' };
    });
  }

  /**
   * One object that holds the whole session and, behind it, the request's body: the session's own segment where that is all, else a new one
   * under `key`, joined in the one pass that also hashes. @throws OciError SIZE_INVALID, BLOB_UPLOAD_INVALID where the client went away
   */
  async assemble(session: UploadSession, key: StorageKey, algorithm: DigestAlgorithm, source: IncomingMessage, start: BodyStart, range: ByteRange | undefined): Promise<HashedObject> {
    const [only, ...more] = session.segments;
    if (only !== undefined && more.length === 0 && !hasBody(source)) return this.hashed(only, session.hash, algorithm);
    this.demandRoom(session.size, source);
    const hash = createHash(algorithm);
    return this.write(key, async (writer) => {
      for (const segment of session.segments) {
        await this.readSegment(segment, (chunk) => {
          hash.update(chunk);
          return writer.write(Buffer.from(chunk));           // the reader reuses its buffer
        });
      }
      const end = await transfer(source, writer, hash, start.chunks);
      if (end === 'aborted') throw new OciError('BLOB_UPLOAD_INVALID', 'the request ended before its body did');
      checkLength(writer.size - session.size, range);
      await writer.commit();
      return { key, size: writer.size, hash: digestFrom(algorithm, hash) };
    });
  }

  /** The session's word is taken for what was persisted before it was given; a small body may not have been, and is read instead. */
  private async hashed(segment: Segment, known: Digest | undefined, algorithm: DigestAlgorithm): Promise<HashedObject> {
    if (known !== undefined && digestAlgorithm(known) === algorithm && segment.size > SMALL_BODY) return { ...segment, hash: known };
    const hash = createHash(algorithm);
    await this.readSegment(segment, (chunk) => {
      hash.update(chunk);
    });
    return { ...segment, hash: digestFrom(algorithm, hash) };
  }

  private readSegment(segment: Segment, take: (chunk: Buffer) => Promise<void> | undefined | void): Promise<void> {
    return this.storage.read(segment.key, { start: 0, end: segment.size - 1 }, async (chunk) => {
      await take(chunk);
    });
  }

  private async write<T>(key: StorageKey, work: (writer: BlobWriter) => Promise<T>): Promise<T> {
    const writer = this.storage.create(key);
    try {
      return await work(writer);
    } catch (error) {
      await writer.cancel();
      throw error;
    }
  }
}

function checkLength(bytes: number, range: ByteRange | undefined): void {
  if (range === undefined || bytes === range.end - range.start + 1) return;
  throw sizeInvalid(`Content-Range announces ${range.end - range.start + 1} bytes, the body has ${bytes}`);
}
