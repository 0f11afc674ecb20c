import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { newStorageKey, ObjectMissing, TruncatedObject } from '@waybill/blob-storage';
import { DependencyUnavailable, digestAlgorithm, digestFrom, digestInvalid, nameUnknown, OciError, sizeInvalid, uploadUnknown } from '@waybill/oci';
import type { ByteRange, Digest, DigestAlgorithm, RepositoryName } from '@waybill/oci';
import { hasBody } from '@waybill/platform';
import type { BlobLinks } from './blob-links.js';
import type { LocalUploads, UploadPlaces } from './local-uploads.js';
import { takeSmallBody } from './small-body.js';
import type { BodyStart } from './small-body.js';
import { announcedLength } from './transfer.js';
import type { HashedObject } from './upload-bytes.js';
import { outOfTurn } from './upload-headers.js';
import type { UploadIds, UploadOwner } from './upload-id.js';
import type { Claim, Refusal, Segment, UploadSession } from './upload-session-table.js';
import { WarmUploads } from './warm-uploads.js';

/** Whether a repository has to exist before something is pushed into it. */
export type MustExist = (repository: RepositoryName) => boolean;

/** How far an upload got, and the owner whose id says so: the one to give back in `Location`. */
export interface UploadProgress {
  readonly owner: UploadOwner;
  readonly size: number;
}

const NO_BODY: BodyStart = { chunks: [], size: 0, ended: true };

/**
 * The upload sessions of wire-protocol section 2. A session's bytes are the objects of its segments, one a finished PATCH; the first is already
 * the blob's object, so an upload in one request is never copied. Several are joined when the upload completes (ADR 0004). What needs no row
 * yet is with LocalUploads.
 */
export class Uploads {
  private readonly warm = new WarmUploads();

  constructor(
    private readonly ids: UploadIds,
    private readonly local: LocalUploads,
    private readonly places: UploadPlaces,
    private readonly links: BlobLinks,
    private readonly mustExist: MustExist,
  ) {}

  /** end-4a, end-4c. Writes nothing: the id is the session until bytes come. @throws OciError NAME_UNKNOWN */
  async start(repository: RepositoryName, principal: string, algorithm: DigestAlgorithm): Promise<UploadOwner> {
    if (this.mustExist(repository) && !(await this.links.repositoryExists(repository))) throw nameUnknown(repository);
    const owner = this.ids.make(repository, principal, algorithm);
    this.local.begin(owner);
    return owner;
  }

  /** The session that a URL names. @throws OciError BLOB_UPLOAD_UNKNOWN */
  open(upload: string, repository: RepositoryName, principal: string): UploadOwner {
    return this.ids.parse(upload, repository, principal);
  }

  /** end-13. @returns the bytes that a next request can build on. @throws OciError BLOB_UPLOAD_UNKNOWN */
  async status(owner: UploadOwner): Promise<UploadProgress> {
    const known = this.local.look(owner);
    if (known !== undefined) return { owner: known.segment ? this.ids.holding(owner, known.segment) : owner, size: known.size };
    await this.local.record(owner);
    const size = await this.places.table.find(owner);
    if (size === undefined) throw uploadUnknown();
    return this.progress(owner, size);
  }

  /** end-14. @throws OciError BLOB_UPLOAD_UNKNOWN */
  async cancel(owner: UploadOwner): Promise<void> {
    await this.local.record(owner);
    this.warm.forget(owner.id);
    if (!(await this.places.table.cancel(owner))) throw uploadUnknown();
  }

  /**
   * end-5. Bytes that arrived before a client went away stay in the session. @returns how far the session got.
   * @throws OciError BLOB_UPLOAD_UNKNOWN; BLOB_UPLOAD_INVALID (416) where another writer is at work or the range does not continue the upload;
   * SIZE_INVALID where the body is not as long as the range; BLOB_UPLOAD_INVALID (413) where the storage takes no blob of that size
   */
  async append(owner: UploadOwner, source: IncomingMessage, range: ByteRange | undefined): Promise<UploadProgress> {
    if (announcedLength(source) === 0 && range === undefined) return this.status(owner);
    this.places.bytes.demandRoom(owner.stood ?? 0, source);
    const start = await takeSmallBody(source);
    if (start.ended) return this.appendWhole(owner, start, range);
    await this.local.record(owner);
    const { claim, session } = await this.claim(owner, range);
    const algorithm = session.size === 0 ? owner.algorithm : undefined;
    const { segment, hash, aborted } = await this.underClaim(owner, claim, () => {
      this.places.bytes.demandRoom(session.size, source);
      return this.places.bytes.receive(claim.key, source, start, algorithm, range);
    });
    if (segment.size === 0) await this.places.table.release(owner, claim);
    else if (!(await this.places.table.advance(owner, claim, segment.size, hash))) throw await this.claimLost(owner, claim);
    if (aborted) throw new OciError('BLOB_UPLOAD_INVALID', 'the request ended before its body did');
    this.keepWarm(owner, segment, hash);
    return this.progress(owner, session.size + segment.size);
  }

  /**
   * end-6. Repeating it after success succeeds again for some minutes. On a digest that the bytes do not have the session is over.
   * @throws OciError BLOB_UPLOAD_UNKNOWN, BLOB_UPLOAD_INVALID (416, the session survives), DIGEST_INVALID, SIZE_INVALID, NAME_UNKNOWN
   */
  async complete(owner: UploadOwner, digest: Digest, source: IncomingMessage, range: ByteRange | undefined, meta: string): Promise<void> {
    if (range === undefined && !hasBody(source) && (await this.completeKnown(owner, digest, meta))) return;
    this.places.bytes.demandRoom(owner.stood ?? 0, source);
    const start = hasBody(source) ? await takeSmallBody(source) : NO_BODY;
    if (start.ended && (await this.completeWhole(owner, digest, start, range, meta))) return;
    if (await this.recordOrRepeated(owner, digest)) return;
    const claim = newClaim();
    const claimed = await this.places.table.claim(owner, range?.start ?? owner.stood, claim);
    if (claimed.outcome === 'done') return repeated(claimed.digest, digest);
    if (claimed.outcome !== 'claimed') throw outOfTurn(owner, claimed.size);
    const object = await this.underClaim(owner, claim, () => this.places.bytes.assemble(claimed.session, claim.key, digestAlgorithm(digest), source, start, range));
    await this.link(owner, claim, object, digest, meta);
  }

  /** A whole small body: held here, or written under a reserved key, then claimed and appended by one call. */
  private async appendWhole(owner: UploadOwner, body: BodyStart, range: ByteRange | undefined): Promise<UploadProgress> {
    if (range !== undefined && body.size !== range.end - range.start + 1) {
      throw sizeInvalid(`Content-Range announces ${range.end - range.start + 1} bytes, the body has ${body.size}`);
    }
    if (body.size === 0) return this.status(owner);
    const hash = hashOf(body, owner.algorithm);
    const held = range === undefined || range.start === 0 ? await this.local.hold(owner, { ...body, hash }) : undefined;
    if (held !== undefined) return { owner: this.ids.holding(owner, held), size: held.size };
    await this.local.record(owner);
    const segment: Segment = { key: await this.places.reserved.use((key) => this.places.bytes.writeWhole(key, body.chunks)), size: body.size };
    const appended = await this.places.table.append(owner, range?.start ?? owner.stood, segment, hash).catch((error: unknown) => this.giveUp(segment, error));
    if (typeof appended !== 'number') return this.giveUp(segment, refused(appended, (size) => outOfTurn(owner, size)));
    this.keepWarm(owner, segment, appended === segment.size ? hash : undefined);
    return this.progress(owner, appended);
  }

  /** A PUT without a body whose answer is known without looking at the bytes. False: claim the session and look. */
  private async completeKnown(owner: UploadOwner, digest: Digest, meta: string): Promise<boolean> {
    if (await this.local.complete(owner, this.mustExist(owner.repository), digest, meta)) return true;
    if (await this.isRepeated(owner, digest)) return true;
    return this.completeWarm(owner, digest, meta);
  }

  /** A PUT once more, of an upload that was completed here without a row. @throws OciError BLOB_UPLOAD_UNKNOWN where it was of another blob, or the blob is gone */
  private async isRepeated(owner: UploadOwner, digest: Digest): Promise<boolean> {
    const done = this.local.completed(owner);
    if (done === undefined) return false;
    if (done !== digest || (await this.links.find(owner.repository, digest)) === undefined) throw uploadUnknown();
    return true;
  }

  /** Gives the upload its row. True: what it held is not its own any more, and the repository has the blob: this is a PUT once more, after a restart. */
  private async recordOrRepeated(owner: UploadOwner, digest: Digest): Promise<boolean> {
    try {
      await this.local.record(owner);
      return false;
    } catch (error) {
      if (owner.held === undefined || !(error instanceof OciError) || error.code !== 'BLOB_UPLOAD_UNKNOWN') throw error;
      if ((await this.links.find(owner.repository, digest)) === undefined) throw error;
      return true;
    }
  }

  /** The PUT that follows one PATCH on this process. False: not so, or no longer so; claim the session and look. */
  private async completeWarm(owner: UploadOwner, digest: Digest, meta: string): Promise<boolean> {
    const warm = this.warm.find(owner.id);
    if (warm?.hash !== digest) return false;
    this.warm.forget(owner.id);
    await this.places.bytes.persist(warm.segment.key);
    const outcome = await this.places.table.complete(owner, this.mustExist(owner.repository), 'segment', warm.segment, digest, meta);
    if (outcome === 'busy') return false;
    if (outcome !== 'linked') repeated(outcome, digest);
    return true;
  }

  /** A whole blob in one small body. False: its bytes are not the blob, or not all of it; claim the session and look. */
  private async completeWhole(owner: UploadOwner, digest: Digest, body: BodyStart, range: ByteRange | undefined, meta: string): Promise<boolean> {
    if ((range !== undefined && (range.start !== 0 || body.size !== range.end + 1)) || hashOf(body, digestAlgorithm(digest)) !== digest) return false;
    if (await this.local.completeWhole(owner, this.mustExist(owner.repository), { ...body, hash: digest }, meta)) return true;
    if ((await this.isRepeated(owner, digest)) || (await this.recordOrRepeated(owner, digest))) return true;
    const object: Segment = { key: await this.places.reserved.use((key) => this.places.bytes.writeWhole(key, body.chunks)), size: body.size };
    await this.places.bytes.persist(object.key);
    const outcome = await this.places.table.complete(owner, this.mustExist(owner.repository), 'whole', object, digest, meta).catch((error: unknown) => this.giveUp(object, error));
    if (outcome === 'linked') return true;
    await this.places.bytes.discard(object.key);
    if (outcome !== 'busy') repeated(outcome, digest);
    return outcome !== 'busy';
  }

  private async link(owner: UploadOwner, claim: Claim, object: HashedObject, digest: Digest, meta: string): Promise<void> {
    this.warm.forget(owner.id);
    if (object.hash !== digest) {
      await this.places.table.cancel(owner);
      throw digestInvalid(`the ${object.size} bytes of this upload have the digest ${object.hash}, the request says ${digest}; the upload is over, begin a new one`);
    }
    await this.places.bytes.persist(object.key);
    const outcome = await this.places.table.complete(owner, this.mustExist(owner.repository), claim, object, digest, meta)
      .catch((error: unknown) => this.claimForgotten(owner, claim, error));
    if (outcome === 'busy') throw await this.claimLost(owner, claim);
    if (outcome !== 'linked') repeated(outcome, digest);
  }

  private async claim(owner: UploadOwner, range: ByteRange | undefined): Promise<{ claim: Claim; session: UploadSession }> {
    const claim = newClaim();
    const claimed = await this.places.table.claim(owner, range?.start ?? owner.stood, claim);
    if (claimed.outcome !== 'claimed') throw refused(claimed, (size) => outOfTurn(owner, size));
    return { claim, session: claimed.session };
  }

  private progress(owner: UploadOwner, size: number): UploadProgress {
    return { owner: this.ids.standing(owner, size), size };
  }

  /** Runs `work` with the claim kept alive; gives the claim back when it fails. */
  private async underClaim<T>(owner: UploadOwner, claim: Claim, work: () => Promise<T>): Promise<T> {
    // an extension that fails is no news: whoever took the session over is told apart by the writer's id when this one ends its claim
    const beat = setInterval(() => void this.places.table.extend(owner, claim).catch(() => undefined), this.places.table.extendEvery * 1000);
    try {
      return await work();
    } catch (error) {
      if (!(await this.places.table.release(owner, claim).catch(() => true))) throw await this.claimLost(owner, claim);
      // the session's bytes did not survive a loss of power: it is of no use to anybody
      if (error instanceof ObjectMissing || error instanceof TruncatedObject) {
        await this.places.table.cancel(owner);
        throw uploadUnknown();
      }
      throw error;
    } finally {
      clearInterval(beat);
    }
  }

  /**
   * Ends with `error` after an object under a reserved key was not taken. Where the database did not answer, the object stays: the call may have
   * come through, and then it is the blob.
   */
  private async giveUp(object: Segment, error: unknown): Promise<never> {
    if (error instanceof OciError) await this.places.bytes.discard(object.key);
    throw error;
  }

  /** The claim was taken over or the session ended: what it wrote may have been reaped by name before it was written to its end. */
  private async claimLost(owner: UploadOwner, claim: Claim): Promise<OciError> {
    await this.places.bytes.discard(claim.key);
    const size = await this.places.table.find(owner);
    return size === undefined ? uploadUnknown() : outOfTurn(owner, size);
  }

  /**
   * Claims do not wait for the disk: a database that crashes may forget one of its last moments. The session has ended then for nobody but this
   * request, whose bytes nothing speaks of: the client may send it again.
   */
  private async claimForgotten(owner: UploadOwner, claim: Claim, error: unknown): Promise<never> {
    const isUnknown = error instanceof OciError && error.code === 'BLOB_UPLOAD_UNKNOWN';
    if (!isUnknown || (await this.places.table.find(owner)) === undefined) throw error;
    await this.places.bytes.discard(claim.key);
    throw new DependencyUnavailable('database', error);
  }

  private keepWarm(owner: UploadOwner, segment: Segment, hash: Digest | undefined): void {
    if (hash === undefined || segment.size === 0) this.warm.forget(owner.id);
    else this.warm.remember(owner.id, { segment, hash });
  }

}

function newClaim(): Claim {
  return { writer: randomUUID(), key: newStorageKey() };
}

function hashOf(body: BodyStart, algorithm: DigestAlgorithm): Digest {
  const hash = createHash(algorithm);
  for (const chunk of body.chunks) hash.update(chunk);
  return digestFrom(algorithm, hash);
}

function refused(refusal: Refusal, outOfTurn: (size: number) => OciError): OciError {
  return refusal.outcome === 'done' ? uploadUnknown() : outOfTurn(refusal.size);
}

/** A PUT on a session that is done: the same blob is there, any other is not. */
function repeated(done: Digest, asked: Digest): void {
  if (done !== asked) throw uploadUnknown();
}
