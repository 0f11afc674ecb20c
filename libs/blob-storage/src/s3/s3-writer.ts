import { blobTooLarge } from '@waybill/oci';
import { BlobWriter, type StorageKey } from '../blob-storage.js';
import { WriterMisuse } from '../errors.js';
import { PartBuffer } from './part-buffer.js';
import { MOST_PARTS, type PartPlan } from './part-plan.js';
import type { Part, S3PartCalls } from './s3-calls.js';

const MiB = 1024 * 1024;

/** What a writer shares with the storage that made it. */
export interface S3WriterSurroundings {
  readonly calls: S3PartCalls;
  readonly object: string;
  readonly partSize: number;
  readonly partsInFlight: number;
  /** Of objects whose size nobody has announced. */
  readonly plan: PartPlan;
  /** Called at the writer's end, whichever it is. */
  ended(): void;
}

/**
 * Uploads one object: up to one part by a single PUT at commit, more by a multipart upload that begins when the byte after a full part
 * arrives. `partsInFlight` parts are on their way at most and one is being filled; `write` asks the caller to wait beyond that. Where no size was announced,
 * the parts grow as PartPlan says, and the object has at most as many bytes as fit into them.
 */
export class S3Writer extends BlobWriter {
  private taken = 0;
  private state: 'open' | 'committed' | 'cancelled' | 'failed' = 'open';
  private failure: unknown;
  /** Where the size was announced. */
  private readonly partSize: number;
  private buffer: PartBuffer;
  private uploadId: Promise<string> | undefined;
  private parts = 0;
  private readonly done: Part[] = [];
  private readonly running = new Set<Promise<void>>();

  constructor(private readonly key: StorageKey, private readonly announced: number | undefined, private readonly at: S3WriterSurroundings) {
    super();
    const needed = Math.ceil((announced ?? 0) / MOST_PARTS / MiB) * MiB;
    this.partSize = Math.max(at.partSize, needed);
    this.buffer = new PartBuffer(this.sizeOf(1), announced);
  }

  override get size(): number {
    return this.taken;
  }

  override write(chunk: Buffer): Promise<void> | undefined {
    if (this.state !== 'open') return this.refuse();
    const { largestObject } = this.at.plan;
    if (this.announced === undefined && this.taken + chunk.length > largestObject) {
      this.note(blobTooLarge(largestObject));
      return this.refuse();
    }
    this.taken += chunk.length;
    return this.take(chunk);
  }

  override async commit(): Promise<void> {
    if (this.state !== 'open') return this.refuse();
    this.state = 'committed';
    try {
      if (this.uploadId) await this.complete(this.uploadId);
      else await this.at.calls.put(this.at.object, this.buffer.bytes);
    } catch (error) {
      this.note(error);
      return this.refuse();
    }
    this.buffer = new PartBuffer(0);
    this.at.ended();
  }

  override async cancel(): Promise<void> {
    if (this.state === 'committed') return;
    if (this.state === 'open') this.state = 'cancelled';
    await this.giveUp();
  }

  private take(chunk: Buffer): Promise<void> | undefined {
    let rest = chunk;
    for (;;) {
      if (this.state !== 'open') return this.refuse();
      rest = rest.subarray(this.buffer.take(rest));
      if (rest.length === 0) return undefined;
      if (this.running.size >= this.inFlight()) return this.takeLater(rest);
      this.ship();
    }
  }

  private async takeLater(rest: Buffer): Promise<void> {
    await Promise.race(this.running);
    await this.take(rest);
  }

  /** Sends the filled part on its way. A failure is kept for the next call, so these promises never reject. */
  private ship(): void {
    const body = this.buffer.bytes;
    const part = ++this.parts;
    const left = this.announced === undefined ? 0 : this.announced - part * this.partSize;
    const next = this.sizeOf(part + 1);
    this.buffer = new PartBuffer(next, this.announced === undefined ? next : Math.max(left, 0));
    const running = this.send(part, body)
      .catch((error: unknown) => this.note(error))
      .finally(() => this.running.delete(running));
    this.running.add(running);
  }

  private async send(part: number, body: Buffer): Promise<void> {
    if (part > MOST_PARTS) throw new WriterMisuse(this.key, `needs more than ${MOST_PARTS} parts of ${this.partSize} bytes; announce its size or raise the part size`);
    this.uploadId ??= this.at.calls.createUpload(this.at.object);
    this.done.push(await this.at.calls.putPart(this.at.object, await this.uploadId, part, body));
  }

  private async complete(uploadId: Promise<string>): Promise<void> {
    // the last part waits for its turn like any other
    while (this.running.size >= this.inFlight()) await Promise.race(this.running);
    this.ship();
    await Promise.all(this.running);
    if (this.state === 'failed') throw this.failure;
    this.done.sort((one, other) => one.part - other.part);
    await this.at.calls.completeUpload(this.at.object, await uploadId, this.done, this.taken);
  }

  private sizeOf(part: number): number {
    return this.announced === undefined ? this.at.plan.sizeOf(part) : this.partSize;
  }

  /** How many parts may be on their way when the one that is being filled follows. */
  private inFlight(): number {
    return this.announced === undefined ? this.at.plan.inFlight(this.parts + 1) : this.at.partsInFlight;
  }

  /** Keeps the first error; every further call gets it. */
  private note(error: unknown): void {
    if (this.state === 'cancelled' || this.state === 'failed') return;
    this.state = 'failed';
    this.failure = error;
  }

  private async refuse(): Promise<never> {
    if (this.state !== 'failed') throw new WriterMisuse(this.key, `is ${this.state}; it takes no more calls`);
    // What cannot be given up now is found by the intent row; the first error is the one to tell.
    await this.giveUp().catch(() => undefined);
    throw this.failure;
  }

  /** Waits for the parts on their way, since one that arrives after the abort would stay, and gives the upload up. */
  private async giveUp(): Promise<void> {
    this.buffer = new PartBuffer(0);
    await Promise.all(this.running);
    const uploadId = await this.uploadId?.catch(() => undefined);
    if (uploadId !== undefined) await this.at.calls.abortUpload(this.at.object, uploadId);
    this.uploadId = undefined;
    this.at.ended();
  }
}
