import type { StorageKey } from '@waybill/blob-storage';
import { parseStorageKey } from '@waybill/blob-storage';
import { nameUnknown, parseDigest, uploadUnknown } from '@waybill/oci';
import type { Digest } from '@waybill/oci';
import { failpoint, sqlState } from '@waybill/platform';
import type { Database, Statement } from '@waybill/platform';
import type { LinkFilter } from './link-filter.js';
import type { UploadOwner } from './upload-id.js';

/** The exclusive right to write to a session for a while: `key` is the one object that may be written under it. */
export interface Claim {
  readonly writer: string;
  readonly key: StorageKey;
}

/** The bytes of one finished PATCH. */
export interface Segment {
  readonly key: StorageKey;
  readonly size: number;
}

/** A session as it stands. `hash` is the digest of its bytes where one is known without reading them. */
export interface UploadSession {
  readonly size: number;
  readonly segments: readonly Segment[];
  readonly hash: Digest | undefined;
}

/** Why a request may not write: another one does, its bytes do not go where the session stands, or the session is done. */
export type Refusal = { readonly outcome: 'busy' | 'offset'; readonly size: number } | { readonly outcome: 'done'; readonly digest: Digest };
export type ClaimOutcome = Refusal | { readonly outcome: 'claimed'; readonly session: UploadSession };

/** What a PUT completes: the object of a claim, the one segment of the session, or a whole upload under a reserved key. */
export type Completion = Claim | 'segment' | 'whole';

export interface UploadTimes {
  /** Seconds without a request that writes until an upload is given up. */
  readonly expiry: number;
  /** Seconds that a claim lasts unless it is extended. */
  readonly lease: number;
}

interface ClaimRow {
  outcome: string;
  size: string;
  segments: string;
  segment_sizes: string;
  hash: string | null;
  digest: string | null;
}

const CLAIM: Statement = { name: 'upload-claim', text: 'SELECT * FROM reg.claim_upload_v1($1, $2, $3, $4, make_interval(secs => $5), $6, $7, $8, make_interval(secs => $9))' };
const EXTEND: Statement = { name: 'upload-extend', text: 'SELECT reg.extend_upload_v1($1, $2, make_interval(secs => $3), make_interval(secs => $4)) AS held' };
const ADVANCE: Statement = { name: 'upload-advance', text: 'SELECT reg.advance_upload_v1($1, $2, $3, $4) AS held' };
const RELEASE: Statement = { name: 'upload-release', text: 'SELECT reg.release_upload_v1($1, $2) AS held' };
const APPEND: Statement = { name: 'upload-append', text: 'SELECT * FROM reg.append_upload_v1($1, $2, $3, $4, make_interval(secs => $5), $6, $7, $8, $9)' };
const FIND: Statement = { name: 'upload-find', text: 'SELECT reg.find_upload_v1($1, $2, $3, $4) AS size' };
const CANCEL: Statement = { name: 'upload-cancel', text: 'SELECT reg.cancel_upload_v1($1, $2, $3, $4, make_interval(secs => $5)) AS cancelled' };
const ADOPT: Statement = { name: 'upload-adopt', text: 'SELECT reg.adopt_upload_v1($1, $2, $3, $4, make_interval(secs => $5), $6, $7, $8) AS adopted' };
const FINISH: Statement = { name: 'upload-finish', text: 'SELECT reg.finish_upload_v1($1, $2, $3, $4, $5, $6, $7) AS linked' };
const COMPLETE: Statement = { name: 'upload-complete', text: 'SELECT * FROM reg.complete_upload_v1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)' };

/** The rows of reg.upload_session, through the functions of migrations/0003-uploads.sql. One round trip a call. */
export class UploadSessionTable {
  constructor(private readonly database: Database, private readonly times: UploadTimes, private readonly filter: LinkFilter) {}

  /** @param offset where the caller's bytes go; undefined: wherever the session stands. @throws OciError BLOB_UPLOAD_UNKNOWN */
  async claim(owner: UploadOwner, offset: number | undefined, claim: Claim): Promise<ClaimOutcome> {
    const values = [owner.id, owner.repository, owner.principal, owner.startedAt, this.times.expiry, offset, claim.writer, claim.key, this.times.lease];
    const [row] = await this.database.sql<ClaimRow>(CLAIM, values);
    return row?.outcome === 'claimed' ? { outcome: 'claimed', session: sessionOf(row) } : refusal(row);
  }

  /** Seconds without a request that writes until an upload is given up. */
  get expiry(): number {
    return this.times.expiry;
  }

  /** Seconds between two calls of `extend` that keep a claim. */
  get extendEvery(): number {
    return this.times.lease / 3;
  }

  /** Lengthens a claim. False: another writer has taken the session over. */
  async extend(owner: UploadOwner, claim: Claim): Promise<boolean> {
    const [row] = await this.database.sql<{ held: boolean }>(EXTEND, [owner.id, claim.writer, this.times.lease, this.times.expiry]);
    return row?.held === true;
  }

  /** Ends a claim whose object is committed with `bytes` bytes; `hash` is that of the whole session, where known. False: the claim was lost. */
  async advance(owner: UploadOwner, claim: Claim, bytes: number, hash: Digest | undefined): Promise<boolean> {
    const [row] = await this.database.sql<{ held: boolean }>(ADVANCE, [owner.id, claim.writer, bytes, hash]);
    return row?.held === true;
  }

  /** Ends a claim and gives its object to the reaper. The session stands where it stood. False: the claim was lost before. */
  async release(owner: UploadOwner, claim: Claim): Promise<boolean> {
    const [row] = await this.database.sql<{ held: boolean }>(RELEASE, [owner.id, claim.writer]);
    return row?.held === true;
  }

  /**
   * Makes a committed object under a reserved key the next segment. `hash` is that of its bytes. @returns the session's new size.
   * @throws OciError BLOB_UPLOAD_UNKNOWN
   */
  async append(owner: UploadOwner, offset: number | undefined, segment: Segment, hash: Digest): Promise<number | Refusal> {
    const values = [owner.id, owner.repository, owner.principal, owner.startedAt, this.times.expiry, offset, segment.key, segment.size, hash];
    const [row] = await this.database.sql<{ outcome: string; size: string }>(APPEND, values);
    if (row?.outcome === 'appended') return Number(row.size);
    if (row?.outcome === 'done') throw uploadUnknown();
    return refusal(row && { ...row, digest: null });
  }

  /**
   * Gives an upload that has no row the one that says what it holds; `hash` is that of its bytes where it may be trusted. True where it has a row now,
   * whatever that says. False: the object is a blob by now, or the reaper's. @param idle seconds since the request that wrote the bytes
   */
  async adopt(owner: UploadOwner, segment: Segment, hash: Digest | undefined, idle: number): Promise<boolean> {
    const values = [owner.id, owner.repository, owner.principal, owner.startedAt, this.times.expiry - idle, segment.key, segment.size, hash];
    const [row] = await this.database.sql<{ adopted: boolean }>(ADOPT, values);
    return row?.adopted === true;
  }

  /**
   * Makes an object under a reserved key a blob of the repository, with its event, in one durable transaction, for an upload that has no row. The
   * object must be persisted and checked against the digest. Repeating it succeeds. @returns false where the key is not reserved any more.
   * @throws OciError NAME_UNKNOWN
   */
  async finish(owner: UploadOwner, mustExist: boolean, object: Segment, digest: Digest, meta: string): Promise<boolean> {
    this.filter.add(owner.repository, digest);
    failpoint('blobs.after_object_write');
    const [row] = await this.database.sql<{ linked: boolean }>(FINISH, [owner.repository, mustExist, object.key, object.size, digest, owner.startedAt, meta])
      .catch((error: unknown) => Promise.reject(repositoryMissing(owner, error)));
    failpoint('blobs.after_commit');
    return row?.linked === true;
  }

  /** Bytes that a next request can build on; undefined where there is no such open session. */
  async find(owner: UploadOwner): Promise<number | undefined> {
    const [row] = await this.database.sql<{ size: string | null }>(FIND, [owner.id, owner.repository, owner.principal, owner.startedAt]);
    return row?.size == null ? undefined : Number(row.size);
  }

  /** Ends a session and gives its objects to the reaper. False where there is no such open session. */
  async cancel(owner: UploadOwner): Promise<boolean> {
    const [row] = await this.database.sql<{ cancelled: boolean }>(CANCEL, [owner.id, owner.repository, owner.principal, owner.startedAt, this.times.expiry]);
    return row?.cancelled === true;
  }

  /**
   * Makes the object a blob of the repository, with its event, in one durable transaction. The object must be persisted and checked against
   * the digest. @returns 'busy' where the session is not what the completion says; the digest of a session that was done before.
   * @throws OciError BLOB_UPLOAD_UNKNOWN, NAME_UNKNOWN
   */
  async complete(owner: UploadOwner, mustExist: boolean, by: Completion, object: Segment, digest: Digest, meta: string): Promise<'linked' | 'busy' | Digest> {
    const writer = typeof by === 'string' ? undefined : by.writer;
    const values = [owner.id, owner.repository, owner.principal, owner.startedAt, mustExist, writer, by === 'whole', object.key, object.size, digest, meta];
    this.filter.add(owner.repository, digest);
    failpoint('blobs.after_object_write');
    const [row] = await this.database.sql<{ outcome: string; digest: string | null }>(COMPLETE, values)
      .catch((error: unknown) => Promise.reject(repositoryMissing(owner, error)));
    failpoint('blobs.after_commit');
    if (row?.outcome === 'linked' || row?.outcome === 'busy') return row.outcome;
    if (row?.outcome === 'done') return parseDigest(row.digest ?? '');
    throw uploadUnknown();
  }
}

function repositoryMissing(owner: UploadOwner, error: unknown): unknown {
  return sqlState(error) === 'WB404' ? nameUnknown(owner.repository) : error;
}

function refusal(row: { outcome: string; size: string; digest: string | null } | undefined): Refusal {
  if (row?.outcome === 'done') return { outcome: 'done', digest: parseDigest(row.digest ?? '') };
  if (row?.outcome === 'busy' || row?.outcome === 'offset') return { outcome: row.outcome, size: Number(row.size) };
  throw uploadUnknown();
}

function sessionOf(row: ClaimRow): UploadSession {
  const sizes = row.segment_sizes.split(',');
  const segments = row.segments === '' ? [] : row.segments.split(',').map((key, i) => ({ key: parseStorageKey(key), size: Number(sizes[i]) }));
  return { size: Number(row.size), segments, hash: row.hash === null ? undefined : parseDigest(row.hash) };
}
