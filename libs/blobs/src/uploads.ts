import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { newStorageKey } from '@waybill/blob-storage';
import type { BlobStorage } from '@waybill/blob-storage';
import { digestAlgorithm, digestInvalid, OciError, parseDigest, rangeInvalid, sizeInvalid, uploadUnknown } from '@waybill/oci';
import type { Digest, DigestAlgorithm, RepositoryName } from '@waybill/oci';
import { announcedLength, hasBody, transfer } from './transfer.js';
import { uploadHeaders } from './upload-headers.js';
import type { Claim, Segment, UploadOwner, UploadSession, UploadSessionTable } from './upload-session-table.js';
import type { WarmUploads } from './warm-uploads.js';

/** First and last byte of a request's `Content-Range`. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
}

/** Whether a repository has to exist before something is pushed into it. */
export type MustExist = (repository: RepositoryName) => boolean;

interface Received extends Segment {
  readonly hash: Digest;
}

/**
 * The upload sessions of wire-protocol section 2. A session's bytes are the objects of its segments, one a finished PATCH; the first is already
 * the blob's object, so an upload in one request is never copied. Several are joined when the upload completes.
 */
export class Uploads {
  constructor(
    private readonly table: UploadSessionTable,
    private readonly storage: BlobStorage,
    private readonly warm: WarmUploads,
    private readonly mustExist: MustExist,
  ) {}

  /** end-4a, end-4c. @returns the id of the new session. @throws OciError NAME_UNKNOWN */
  async start(repository: RepositoryName, principal: string, algorithm: DigestAlgorithm): Promise<string> {
    const upload = randomUUID();
    await this.table.start({ upload, repository, principal }, algorithm, this.mustExist(repository));
    return upload;
  }

  /** end-13. @returns bytes that a next request can build on. @throws OciError BLOB_UPLOAD_UNKNOWN */
  async size(owner: UploadOwner): Promise<number> {
    const size = await this.table.find(owner);
    if (size === undefined) throw uploadUnknown();
    return size;
  }

  /** end-14. @throws OciError BLOB_UPLOAD_UNKNOWN */
  async cancel(owner: UploadOwner): Promise<void> {
    this.warm.forget(owner.upload);
    if (!(await this.table.cancel(owner))) throw uploadUnknown();
  }

  /**
   * end-5. Bytes that arrived before a client went away stay in the session. @returns the session's new size.
   * @throws OciError BLOB_UPLOAD_UNKNOWN; BLOB_UPLOAD_INVALID (416) where another writer is at work or the range does not continue the upload;
   * SIZE_INVALID where the body is not as long as the range
   */
  async append(owner: UploadOwner, source: IncomingMessage, range: ContentRange | undefined): Promise<number> {
    if (announcedLength(source) === 0 && range === undefined) return this.size(owner);
    const { claim, session } = await this.claim(owner, range);
    const algorithm = session.segments.length === 0 ? session.algorithm : undefined;
    const { segment, hash, aborted } = await this.underClaim(owner.upload, claim, () => this.receive(claim, source, algorithm, range));
    if (segment.size === 0) await this.table.release(owner.upload, claim);
    else if (!(await this.table.advance(owner.upload, claim, segment.size, hash))) throw this.outOfTurn(owner, session.size);
    if (aborted) throw new OciError('BLOB_UPLOAD_INVALID', 'the request ended before its body did');
    if (hash === undefined || segment.size === 0) this.warm.forget(owner.upload);
    else this.warm.remember(owner.upload, { segment, hash });
    return session.size + segment.size;
  }

  /**
   * end-6. Repeating it after success succeeds again for some minutes. On a digest that the bytes do not have the session is over.
   * @throws OciError BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID (416, the session survives), DIGEST_INVALID, SIZE_INVALID, NAME_UNKNOWN
   */
  async complete(owner: UploadOwner, digest: Digest, source: IncomingMessage, range: ContentRange | undefined, meta: string): Promise<void> {
    if (range === undefined && !hasBody(source) && (await this.completeWarm(owner, digest, meta))) return;
    const claim = newClaim();
    const claimed = await this.table.claim(owner, range?.start, claim);
    if (claimed.outcome === 'done') return repeated(claimed.digest, digest);
    if (claimed.outcome !== 'claimed') throw this.outOfTurn(owner, claimed.size);
    const object = await this.underClaim(owner.upload, claim, () => this.assemble(claimed.session, claim, digest, source, range));
    await this.link(owner, claim, object, digest, meta);
  }

  /** end-4b: a whole blob in one POST. @throws OciError DIGEST_INVALID (nothing is kept), NAME_UNKNOWN */
  async upload(repository: RepositoryName, principal: string, digest: Digest, source: IncomingMessage, meta: string): Promise<void> {
    const owner: UploadOwner = { upload: randomUUID(), repository, principal };
    const claim = newClaim();
    await this.table.start(owner, digestAlgorithm(digest), this.mustExist(repository), claim);
    const session: UploadSession = { size: 0, segments: [], hash: undefined, algorithm: digestAlgorithm(digest) };
    const object = await this.underClaim(owner.upload, claim, () => this.assemble(session, claim, digest, source, undefined));
    await this.link(owner, claim, object, digest, meta);
  }

  /** The PUT that follows one PATCH on this process. False: not so, or no longer so; claim the session and look. */
  private async completeWarm(owner: UploadOwner, digest: Digest, meta: string): Promise<boolean> {
    const warm = this.warm.find(owner.upload);
    if (warm?.hash !== digest) return false;
    this.warm.forget(owner.upload);
    await this.storage.persist(warm.segment.key);
    const outcome = await this.table.complete(owner, this.mustExist(owner.repository), undefined, warm.segment, digest, meta);
    if (outcome === 'busy') return false;
    if (outcome !== 'linked') repeated(outcome, digest);
    return true;
  }

  private async link(owner: UploadOwner, claim: Claim, object: Received, digest: Digest, meta: string): Promise<void> {
    this.warm.forget(owner.upload);
    if (object.hash !== digest) {
      await this.table.cancel(owner);
      throw digestInvalid(`the ${object.size} bytes of this upload have the digest ${object.hash}, the request says ${digest}; the upload is over, begin a new one`);
    }
    await this.storage.persist(object.key);
    const outcome = await this.table.complete(owner, this.mustExist(owner.repository), claim, object, digest, meta);
    if (outcome === 'busy') throw this.outOfTurn(owner, object.size);
    if (outcome !== 'linked') repeated(outcome, digest);
  }

  private async claim(owner: UploadOwner, range: ContentRange | undefined): Promise<{ claim: Claim; session: UploadSession }> {
    const claim = newClaim();
    const claimed = await this.table.claim(owner, range?.start, claim);
    if (claimed.outcome === 'done') throw uploadUnknown();
    if (claimed.outcome !== 'claimed') throw this.outOfTurn(owner, claimed.size);
    return { claim, session: claimed.session };
  }

  /** Runs `work` with the claim kept alive; gives the claim back when it fails. */
  private async underClaim<T>(upload: string, claim: Claim, work: () => Promise<T>): Promise<T> {
    // a failed extension is no news: whoever took the session over is told apart by the writer's id when this one ends its claim
    const beat = setInterval(() => void this.table.extend(upload, claim).catch(() => undefined), this.table.extendEvery * 1000);
    try {
      return await work();
    } catch (error) {
      await this.table.release(upload, claim).catch(() => undefined);
      throw error;
    } finally {
      clearInterval(beat);
    }
  }

  /** Writes a request's body to the claim's object. */
  private async receive(claim: Claim, source: IncomingMessage, algorithm: DigestAlgorithm | undefined, range: ContentRange | undefined):
    Promise<{ segment: Segment; hash: Digest | undefined; aborted: boolean }> {
    const hash = algorithm && createHash(algorithm);
    // without the announced size: what a client that goes away has sent by then is committed as well
    const writer = this.storage.create(claim.key);
    try {
      const end = await transfer(source, writer, hash);
      const size = writer.size;
      if (end === 'complete' && range !== undefined && size !== range.end - range.start + 1) {
        throw sizeInvalid(`Content-Range announces ${range.end - range.start + 1} bytes, the body has ${size}`);
      }
      await (size === 0 ? writer.cancel() : writer.commit());
      return { segment: { key: claim.key, size }, hash: hash && parseDigest(`${algorithm}:${hash.digest('hex')}`), aborted: end === 'aborted' };
    } catch (error) {
      await writer.cancel();
      throw error;
    }
  }

  /** One object that holds the whole session and, behind it, the request's body. */
  private async assemble(session: UploadSession, claim: Claim, digest: Digest, source: IncomingMessage, range: ContentRange | undefined): Promise<Received> {
    const algorithm = digestAlgorithm(digest);
    const [only, ...more] = session.segments;
    const hash = createHash(algorithm);
    if (only !== undefined && more.length === 0 && !hasBody(source)) {
      if (session.hash !== undefined && digestAlgorithm(session.hash) === algorithm) return { ...only, hash: session.hash };
      await this.readSegment(only, (chunk) => hash.update(chunk));
      return { ...only, hash: parseDigest(`${algorithm}:${hash.digest('hex')}`) };
    }
    const writer = this.storage.create(claim.key);
    try {
      for (const segment of session.segments) {
        await this.readSegment(segment, (chunk) => {
          hash.update(chunk);
          return writer.write(Buffer.from(chunk));           // the reader reuses its buffer
        });
      }
      const end = await transfer(source, writer, hash);
      if (end === 'aborted') throw new OciError('BLOB_UPLOAD_INVALID', 'the request ended before its body did');
      if (range !== undefined && writer.size - session.size !== range.end - range.start + 1) {
        throw sizeInvalid(`Content-Range announces ${range.end - range.start + 1} bytes, the body has ${writer.size - session.size}`);
      }
      await writer.commit();
      return { key: claim.key, size: writer.size, hash: parseDigest(`${algorithm}:${hash.digest('hex')}`) };
    } catch (error) {
      await writer.cancel();
      throw error;
    }
  }

  private readSegment(segment: Segment, take: (chunk: Buffer) => unknown): Promise<void> {
    return this.storage.read(segment.key, { start: 0, end: segment.size - 1 }, async (chunk) => {
      await take(chunk);
    });
  }

  private outOfTurn(owner: UploadOwner, size: number): OciError {
    return rangeInvalid(`the upload stands at byte ${size} or another request is writing to it: ask for its state and continue from there`, uploadHeaders(owner, size));
  }
}

function newClaim(): Claim {
  return { writer: randomUUID(), key: newStorageKey() };
}

/** A PUT on a session that is done: the same blob is there, any other is not. */
function repeated(done: Digest, asked: Digest): void {
  if (done !== asked) throw uploadUnknown();
}
