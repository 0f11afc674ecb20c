declare const brand: unique symbol;
/** Names one physical upload. Opaque, written by exactly one writer, never reused (event-log.md section 0, point 6). Made by newStorageKey. */
export type StorageKey = string & { readonly [brand]: 'StorageKey' };

/** Bytes of an object, both ends included, 0 <= start <= end < size. An empty object has no range: it is read without one. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Takes a chunk of a read. The chunk is valid until the returned promise settles: the reader reuses its buffers. The next chunk comes
 * only after that, read meanwhile. Rejecting ends the read with that error.
 */
export type ByteSink = (chunk: Buffer) => Promise<void>;

/**
 * Where the bytes of blobs live. Every method rejects with DependencyUnavailable when the storage cannot be reached (an adapter may
 * let its own errors out: CheckedBlobStorage, which composition puts around every adapter, makes them so), and writers reject with
 * StorageFull when there is no room; whatever was committed before stays readable.
 */
export abstract class BlobStorage {
  /** Bytes that an object of unannounced size may have at most: a writer refuses more with what blobTooLarge makes. */
  get largest(): number {
    return Number.MAX_SAFE_INTEGER;
  }

  /**
   * Says that objects will be written under these new keys soon, so that what can be done for all of them at once is done now. A hint:
   * `create` may be called before, during and after it, and works the same without it. A rejection is for the log: a later `create`
   * meets whatever stands in the way. A prepared key is one that was never committed, to this process and to others; `delete` removes
   * what was prepared for it, and a process that dies leaves that behind, so a key's intent has to be durable first.
   */
  async prepare(_keys: readonly StorageKey[]): Promise<void> {}

  /**
   * Begins the object of `key`. In this process nothing can be read under `key` before `commit`. Another process, or a later one after
   * a crash, may see the bytes of a writer that has not committed (the file system adapter writes to the final name): callers ask
   * only for keys that a database transaction recorded after `commit`.
   * @param size exact number of bytes to come, where the caller knows it; a commit of any other number is refused
   */
  abstract create(key: StorageKey, size?: number): BlobWriter;

  /**
   * Resolves when a committed object survives the loss of power, its name included. `commit` has already begun the work, so
   * awaiting it later is cheap; any process may call it for any committed key, any number of times.
   */
  abstract persist(key: StorageKey): Promise<void>;

  /** Hands the bytes of `range` (all of them without one) to `sink` in order. Rejects with ObjectMissing, or with TruncatedObject when bytes ran out. */
  abstract read(key: StorageKey, range: ByteRange | undefined, sink: ByteSink): Promise<void>;

  /** Size in bytes of a committed object; undefined where there is none. */
  abstract stat(key: StorageKey): Promise<number | undefined>;

  /**
   * Removes an object, committed or not, with everything that a dead writer may have left of it. A missing one is success.
   * @param state 'committed' where the caller knows that the writer committed: S3 then makes one call, and otherwise a second one that
   *   looks for unfinished parts of this key
   */
  abstract delete(key: StorageKey, state?: 'committed'): Promise<void>;

  /** A URL that serves the object's bytes to GET for `seconds` (1 to 604800); undefined where the storage cannot. */
  abstract presign(key: StorageKey, seconds: number): Promise<string | undefined>;

  /** Rejects when the storage would not take a write now; for /readyz. Leaves nothing behind. */
  abstract check(): Promise<void>;

  abstract close(): Promise<void>;
}

/** Writes one object from its first byte to its last. One call at a time. */
export abstract class BlobWriter {
  /** Bytes taken so far. */
  abstract readonly size: number;

  /** Asked once the latest chunk needs no waiting any more: whether it may still be needed. False: its memory is its owner's again. */
  get keepsChunks(): boolean {
    return true;
  }

  /**
   * Takes a chunk, which must not be changed afterwards. A returned promise asks the caller to wait before the next chunk;
   * undefined says go on. After a rejection, StorageFull among them, only `cancel` may follow, and nothing of the object is left unless
   * the storage does not let it be removed: then `delete`, which the intent row leads to, removes it.
   */
  abstract write(chunk: Buffer): Promise<void> | undefined;

  /** Makes the object readable as a whole, and begins to persist it. Further calls of write and commit reject. */
  abstract commit(): Promise<void>;

  /** Gives up and removes what was written. Harmless after commit and when repeated. */
  abstract cancel(): Promise<void>;
}
