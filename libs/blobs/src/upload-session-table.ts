import type { StorageKey } from '@waybill/blob-storage';
import { parseStorageKey } from '@waybill/blob-storage';
import { nameUnknown, parseDigest, parseDigestAlgorithm, uploadUnknown } from '@waybill/oci';
import type { Digest, DigestAlgorithm, RepositoryName } from '@waybill/oci';
import { sqlState } from '@waybill/platform';
import type { Database, Statement } from '@waybill/platform';

/** Whose upload: the id alone opens nothing (wire-protocol section 2, CVE-2026-32589). */
export interface UploadOwner {
  readonly upload: string;
  readonly repository: RepositoryName;
  readonly principal: string;
}

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
  readonly algorithm: DigestAlgorithm;
}

export type ClaimOutcome =
  | { readonly outcome: 'claimed'; readonly session: UploadSession }
  | { readonly outcome: 'busy' | 'offset'; readonly size: number }
  | { readonly outcome: 'done'; readonly digest: Digest };

export interface UploadTimes {
  /** Seconds from the start of an upload until it is given up. */
  readonly expiry: number;
  /** Seconds that a claim lasts unless it is extended. */
  readonly lease: number;
}

interface ClaimRow {
  outcome: 'claimed' | 'unknown' | 'busy' | 'offset' | 'done';
  size: string;
  segments: string;
  segment_sizes: string;
  hash: string | null;
  algorithm: string;
  digest: string | null;
}

const TOMBSTONE = '10 minutes';

const START: Statement = { name: 'upload-start', text: 'SELECT reg.start_upload_v1($1, $2, $3, $4, $5, make_interval(secs => $6), $7, $8, make_interval(secs => $9)) AS started' };
const CLAIM: Statement = { name: 'upload-claim', text: 'SELECT * FROM reg.claim_upload_v1($1, $2, $3, $4, $5, $6, make_interval(secs => $7))' };
const EXTEND: Statement = { name: 'upload-extend', text: 'SELECT reg.extend_upload_v1($1, $2, make_interval(secs => $3)) AS held' };
const ADVANCE: Statement = { name: 'upload-advance', text: 'SELECT reg.advance_upload_v1($1, $2, $3, $4) AS held' };
const RELEASE: Statement = { name: 'upload-release', text: 'SELECT reg.release_upload_v1($1, $2) AS held' };
const FIND: Statement = { name: 'upload-find', text: 'SELECT reg.find_upload_v1($1, $2, $3) AS size' };
const CANCEL: Statement = { name: 'upload-cancel', text: 'SELECT reg.cancel_upload_v1($1, $2, $3) AS cancelled' };
const COMPLETE: Statement = { name: 'upload-complete', text: `SELECT * FROM reg.complete_upload_v1($1, $2, $3, $4, $5, $6, $7, $8, '${TOMBSTONE}', $9)` };

/** The rows of reg.upload_session, through the functions of migrations/0003-uploads.sql. One round trip a call. */
export class UploadSessionTable {
  constructor(private readonly database: Database, private readonly times: UploadTimes) {}

  /** Opens a session; with `claim`, claimed from the start. @throws OciError NAME_UNKNOWN where the repository must exist and does not */
  async start(owner: UploadOwner, algorithm: DigestAlgorithm, mustExist: boolean, claim?: Claim): Promise<void> {
    const values = [owner.upload, owner.repository, owner.principal, algorithm, mustExist, this.times.expiry, claim?.writer, claim?.key, claim && this.times.lease];
    const [row] = await this.database.sql<{ started: boolean }>(START, values);
    if (!row?.started) throw nameUnknown(owner.repository);
  }

  /** @param offset where the caller's bytes go; undefined: wherever the session stands. @throws OciError BLOB_UPLOAD_UNKNOWN */
  async claim(owner: UploadOwner, offset: number | undefined, claim: Claim): Promise<ClaimOutcome> {
    const [row] = await this.database.sql<ClaimRow>(CLAIM, [owner.upload, owner.repository, owner.principal, offset, claim.writer, claim.key, this.times.lease]);
    if (row === undefined || row.outcome === 'unknown') throw uploadUnknown();
    if (row.outcome === 'done') return { outcome: 'done', digest: parseDigest(row.digest ?? '') };
    if (row.outcome === 'claimed') return { outcome: 'claimed', session: sessionOf(row) };
    return { outcome: row.outcome, size: Number(row.size) };
  }

  /** Seconds between two calls of `extend` that keep a claim. */
  get extendEvery(): number {
    return this.times.lease / 3;
  }

  /** Lengthens a claim. False: another writer has taken the session over. */
  async extend(upload: string, claim: Claim): Promise<boolean> {
    const [row] = await this.database.sql<{ held: boolean }>(EXTEND, [upload, claim.writer, this.times.lease]);
    return row?.held === true;
  }

  /** Ends a claim whose object is committed with `bytes` bytes; `hash` is that of the whole session, where known. False: the claim was lost. */
  async advance(upload: string, claim: Claim, bytes: number, hash: Digest | undefined): Promise<boolean> {
    const [row] = await this.database.sql<{ held: boolean }>(ADVANCE, [upload, claim.writer, bytes, hash]);
    return row?.held === true;
  }

  /** Ends a claim and gives its object to the reaper. The session stands where it stood. */
  async release(upload: string, claim: Claim): Promise<void> {
    await this.database.sql(RELEASE, [upload, claim.writer]);
  }

  /** Bytes that a next request can build on; undefined where there is no such open session. */
  async find(owner: UploadOwner): Promise<number | undefined> {
    const [row] = await this.database.sql<{ size: string | null }>(FIND, [owner.upload, owner.repository, owner.principal]);
    return row?.size == null ? undefined : Number(row.size);
  }

  /** Ends a session and gives its objects to the reaper. False where there is no such open session. */
  async cancel(owner: UploadOwner): Promise<boolean> {
    const [row] = await this.database.sql<{ cancelled: boolean }>(CANCEL, [owner.upload, owner.repository, owner.principal]);
    return row?.cancelled === true;
  }

  /**
   * Makes `blob` a blob of the repository, with its event, in one durable transaction. The object must be persisted and checked against the
   * digest. Without a claim the session must be unclaimed and consist of that one object, else 'busy'.
   * @throws OciError BLOB_UPLOAD_UNKNOWN, NAME_UNKNOWN
   */
  async complete(owner: UploadOwner, mustExist: boolean, claim: Claim | undefined, object: Segment, digest: Digest, meta: string): Promise<'linked' | 'busy' | Digest> {
    const values = [owner.upload, owner.repository, owner.principal, mustExist, claim?.writer, object.key, object.size, digest, meta];
    const [row] = await this.database.sql<{ outcome: string; digest: string | null }>(COMPLETE, values).catch((error: unknown) => {
      throw sqlState(error) === 'WB404' ? nameUnknown(owner.repository) : error;
    });
    switch (row?.outcome) {
      case 'linked':
      case 'busy':
        return row.outcome;
      case 'done':
        return parseDigest(row.digest ?? '');
      default:
        throw uploadUnknown();
    }
  }
}

function sessionOf(row: ClaimRow): UploadSession {
  const sizes = row.segment_sizes.split(',');
  const segments = row.segments === '' ? [] : row.segments.split(',').map((key, i) => ({ key: parseStorageKey(key), size: Number(sizes[i]) }));
  return { size: Number(row.size), segments, hash: row.hash === null ? undefined : parseDigest(row.hash), algorithm: parseDigestAlgorithm(row.algorithm) };
}
