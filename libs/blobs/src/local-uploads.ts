import { ObjectMissing } from '@waybill/blob-storage';
import type { Digest } from '@waybill/oci';
import { OciError, parseDigest, uploadUnknown } from '@waybill/oci';
import type { ReservedKeys } from './reserved-keys.js';
import type { UploadBytes } from './upload-bytes.js';
import { outOfTurn } from './upload-headers.js';
import type { UploadOwner } from './upload-id.js';
import type { Segment, UploadSessionTable } from './upload-session-table.js';

/** Where uploads are kept. */
export interface UploadPlaces {
  readonly table: UploadSessionTable;
  readonly bytes: UploadBytes;
  readonly reserved: ReservedKeys;
}

/** A small body that is there whole, and its digest. */
export interface WholeBody {
  readonly chunks: readonly Buffer[];
  readonly size: number;
  readonly hash: Digest;
}

interface Held {
  readonly state: 'held';
  readonly owner: UploadOwner;
  readonly segment: Segment;
  readonly hash: Digest;
  readonly since: number;
}

interface Recording {
  readonly state: 'recording';
  readonly size: number;
  readonly end: Promise<void>;
}

/** Where an upload stands that has no row: begun, being written by a request, given its row, with the bytes of one small PATCH, or complete. */
type LocalUpload = { readonly state: 'open'; readonly since: number } | { readonly state: 'busy'; readonly size: number } | Recording | Held | { readonly state: 'done'; readonly digest: Digest };

/** Milliseconds that an id may wait for its first bytes, as reg.upload_begins_within() has it. */
const BEGINS_WITHIN = 15 * 60_000;
/**
 * Milliseconds without a request after which bytes that wait here get a row, or half of the time that uploads have: what takes its time expires and is
 * reaped like any other.
 */
const RECORD_AFTER = 10_000;

/**
 * Uploads that this process began and that no row speaks of (ADR 0010): where it is the only one on its database, the small blobs of a usual
 * push (POST, PATCH, PUT) take one call to the database, the one that makes the blob. What the process holds stands in the upload's URL as well,
 * signed, so that the upload survives it. Everything beyond (a second PATCH, a large body, a status from an older URL after a restart) gives the
 * upload a row first, and goes the way of Uploads. An upload that is not known here may have a row or not: only the database can tell.
 */
export class LocalUploads {
  private readonly uploads = new Map<string, LocalUpload>();
  private timer: NodeJS.Timeout | undefined;

  /**
   * @param alone whether no other process serves this database; false: nothing is kept here @param report told of a row that could not be written;
   * it is tried again @param limit uploads remembered; of older ones the database is asked
   */
  constructor(
    private readonly alone: boolean,
    private readonly places: UploadPlaces,
    private readonly report: (error: unknown) => void,
    private readonly limit = 10_000,
  ) {}

  begin(owner: UploadOwner): void {
    if (this.alone) this.put(owner.id, { state: 'open', since: performance.now() });
  }

  /** What is known of an upload without asking the database; `segment` where it holds bytes. @throws OciError BLOB_UPLOAD_UNKNOWN for one that is complete */
  look(owner: UploadOwner): { readonly size: number; readonly segment?: Segment } | undefined {
    const upload = this.uploads.get(owner.id);
    if (upload === undefined) return undefined;
    if (upload.state === 'done') throw uploadUnknown();
    if (upload.state === 'held') return { size: upload.segment.size, segment: upload.segment };
    if (upload.state === 'open') return this.open(owner) && { size: 0 };
    return { size: upload.size };
  }

  /** The upload, where it is one of ours that waits for its first bytes and has not waited too long. */
  private open(owner: UploadOwner): LocalUpload | undefined {
    const upload = this.uploads.get(owner.id);
    if (upload?.state !== 'open') return undefined;
    if (performance.now() - upload.since < BEGINS_WITHIN) return upload;
    this.uploads.delete(owner.id);
    return undefined;
  }

  /** The digest of a blob that was completed here. */
  completed(owner: UploadOwner): Digest | undefined {
    const upload = this.uploads.get(owner.id);
    return upload?.state === 'done' ? upload.digest : undefined;
  }

  /** Keeps the first bytes of an upload without a row. Undefined where it is not one of ours that waits for them. */
  async hold(owner: UploadOwner, body: WholeBody): Promise<Segment | undefined> {
    const open = this.open(owner);
    if (open === undefined) return undefined;
    return this.work(owner, 0, open, async () => {
      const segment = { key: await this.places.reserved.use((key) => this.places.bytes.writeWhole(key, body.chunks)), size: body.size };
      return { result: segment, next: { state: 'held', owner, segment, hash: body.hash, since: performance.now() } };
    });
  }

  /** The PUT without a body that follows the PATCH. False: these are not the blob's bytes, or not held here: record it and look. @throws OciError NAME_UNKNOWN */
  async complete(owner: UploadOwner, mustExist: boolean, digest: Digest, meta: string): Promise<boolean> {
    const upload = this.uploads.get(owner.id);
    if (upload?.state !== 'held' || upload.hash !== digest) return false;
    return this.work(owner, upload.segment.size, upload, async () => {
      // where an earlier call's answer was lost the bytes have a row by now, or are a blob, or the reaper's: then only the database can tell
      if (!(await this.isThere(upload.segment)) || !(await this.places.table.finish(owner, mustExist, upload.segment, digest, meta))) return { result: false, next: undefined };
      return { result: true, next: done(digest) };
    });
  }

  /** A whole blob in one request. False: the upload is not one of ours that waits for its first bytes. @throws OciError NAME_UNKNOWN */
  async completeWhole(owner: UploadOwner, mustExist: boolean, body: WholeBody, meta: string): Promise<boolean> {
    const open = this.open(owner);
    if (open === undefined) return false;
    return this.work(owner, 0, open, async () => {
      const object = { key: await this.places.reserved.use((key) => this.places.bytes.writeWhole(key, body.chunks)), size: body.size };
      await this.places.bytes.persist(object.key);
      if (!(await this.places.table.finish(owner, mustExist, object, body.hash, meta))) throw uploadUnknown();
      return { result: true, next: done(body.hash) };
    });
  }

  /**
   * Gives an upload the row that says what it holds; from then on the row alone counts. Does nothing for one without bytes.
   * @throws OciError BLOB_UPLOAD_INVALID (416) while another request is at work; BLOB_UPLOAD_UNKNOWN where it is complete or over
   */
  async record(owner: UploadOwner): Promise<void> {
    const upload = this.uploads.get(owner.id);
    if (upload === undefined) return owner.held && this.adopt(owner, owner.held, undefined, 0);
    if (upload.state === 'recording') return upload.end;
    if (upload.state === 'busy') throw outOfTurn(owner, upload.size);
    if (upload.state === 'done') throw uploadUnknown();
    if (upload.state === 'open') return void this.uploads.delete(owner.id);
    // a request that comes meanwhile is not refused for it: it waits
    const end = this.adopt(owner, upload.segment, upload.hash, performance.now() - upload.since).then(() => void this.uploads.delete(owner.id), (error: unknown) => {
      // over for good, or to be tried again
      if (error instanceof OciError) this.uploads.delete(owner.id);
      else this.put(owner.id, upload);
      throw error;
    });
    this.put(owner.id, { state: 'recording', size: upload.segment.size, end });
    return end;
  }

  start(): void {
    const after = Math.min(RECORD_AFTER, this.places.table.expiry * 500);
    this.timer = setInterval(() => void this.recordAll(performance.now() - after), after / 2).unref();
  }

  /** Leaves nothing that only this process knows. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    // at once: a database that does not answer lets each of them wait for it
    await Promise.all([...this.uploads.values()].flatMap((upload) => (upload.state === 'held' ? [this.record(upload.owner).catch(this.report)] : [])));
  }

  private async recordAll(before: number): Promise<void> {
    for (const upload of this.uploads.values()) {
      if (upload.state === 'held' && upload.since <= before) await this.record(upload.owner).catch(this.report);
    }
  }

  private async isThere(segment: Segment): Promise<boolean> {
    try {
      await this.places.bytes.persist(segment.key);
      return true;
    } catch (error) {
      if (error instanceof ObjectMissing) return false;
      throw error;
    }
  }

  private async adopt(owner: UploadOwner, segment: Segment, hash: Digest | undefined, idle: number): Promise<void> {
    if (!(await this.places.table.adopt(owner, segment, hash, idle / 1000))) throw uploadUnknown();
  }

  /** Nobody else gets at the upload while `work` runs; it stands as `before` again when that fails. */
  private async work<T>(owner: UploadOwner, size: number, before: LocalUpload, work: () => Promise<{ result: T; next: LocalUpload | undefined }>): Promise<T> {
    this.put(owner.id, { state: 'busy', size });
    try {
      const { result, next } = await work();
      if (next === undefined) this.uploads.delete(owner.id);
      else this.put(owner.id, next);
      return result;
    } catch (error) {
      this.put(owner.id, before);
      throw error;
    }
  }

  private put(id: string, upload: LocalUpload): void {
    this.uploads.set(id, upload);
    if (this.uploads.size <= this.limit) return;
    // what a request or the timer is at work on stays: its loss would let a second writer begin
    for (const [oldest, { state }] of this.uploads) {
      if (state !== 'open' && state !== 'done') continue;
      this.uploads.delete(oldest);
      return;
    }
  }
}

/** The digest is a piece of a URL, which may have 16 KiB, and would keep all of it. */
function done(digest: Digest): LocalUpload {
  return { state: 'done', digest: parseDigest(Buffer.from(digest, 'latin1').toString('latin1')) };
}
