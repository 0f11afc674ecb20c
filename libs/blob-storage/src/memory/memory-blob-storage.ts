import { StorageFull } from '@waybill/oci';
import { BlobStorage, type BlobWriter, type ByteRange, type ByteSink, type StorageKey } from '../blob-storage.js';
import { ObjectMissing, TruncatedObject, WriterMisuse } from '../errors.js';
import { MemoryWriter } from './memory-writer.js';

/** Bytes handed to a sink at a time, so that a large object is no special case for its receiver. */
const CHUNK = 1024 * 1024;

export interface MemoryOptions {
  /** Most bytes to hold, those of running writers included; a writer that would pass it gets StorageFull. Default: no limit. */
  readonly capacity?: number;
}

/** Objects in this process's memory, gone with it: for tests and for trying the registry out. */
export class MemoryBlobStorage extends BlobStorage {
  private readonly objects = new Map<StorageKey, Buffer>();
  private readonly writers = new Map<StorageKey, MemoryWriter>();
  private readonly capacity: number;
  private held = 0;

  constructor(options: MemoryOptions = {}) {
    super();
    this.capacity = options.capacity ?? Number.POSITIVE_INFINITY;
  }

  override create(key: StorageKey): BlobWriter {
    if (this.objects.has(key) || this.writers.has(key)) throw new WriterMisuse(key, 'would be the second one of this key; make a new key for every upload');
    const writer = new MemoryWriter(key, {
      take: bytes => this.take(bytes),
      commit: object => { this.writers.delete(key); this.objects.set(key, object); },
      cancel: bytes => { this.writers.delete(key); this.held -= bytes; },
    });
    this.writers.set(key, writer);
    return writer;
  }

  override async persist(key: StorageKey): Promise<void> {
    this.get(key);
  }

  override async read(key: StorageKey, range: ByteRange | undefined, sink: ByteSink): Promise<void> {
    const object = this.get(key);
    const { start, end } = range ?? { start: 0, end: object.length - 1 };
    const bytes = object.subarray(start, end + 1);
    for (let offset = 0; offset < bytes.length; offset += CHUNK) await sink(bytes.subarray(offset, offset + CHUNK));
    const missing = end + 1 - start - bytes.length;
    if (missing > 0) throw new TruncatedObject(key, missing);
  }

  override async stat(key: StorageKey): Promise<number | undefined> {
    return this.objects.get(key)?.length;
  }

  override async delete(key: StorageKey): Promise<void> {
    await this.writers.get(key)?.cancel();
    this.held -= this.objects.get(key)?.length ?? 0;
    this.objects.delete(key);
  }

  override async presign(): Promise<undefined> {
    return undefined;
  }

  override async check(): Promise<void> {
    if (this.held >= this.capacity) throw new StorageFull('the memory of the blob storage');
  }

  override async close(): Promise<void> {
    this.objects.clear();
    this.writers.clear();
    this.held = 0;
  }

  /** Every key that holds memory, begun or committed. For tests: nothing in the registry decides by a listing. */
  list(): readonly StorageKey[] {
    return [...this.objects.keys(), ...this.writers.keys()];
  }

  private take(bytes: number): void {
    if (this.held + bytes > this.capacity) throw new StorageFull('the memory of the blob storage');
    this.held += bytes;
  }

  private get(key: StorageKey): Buffer {
    const object = this.objects.get(key);
    if (object === undefined) throw new ObjectMissing(key);
    return object;
  }
}
