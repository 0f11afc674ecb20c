import { DependencyUnavailable, RegistryError } from '@waybill/oci';
import { activeSpan } from '@waybill/platform';
import { BlobStorage, type BlobWriter, type ByteRange, type ByteSink, type StorageKey } from './blob-storage.js';
import { CheckedWriter } from './checked-blob-writer.js';
import { ObjectMissing, TruncatedObject, WriterMisuse } from './errors.js';

export type BlobStorageOperation = 'prepare' | 'write' | 'commit' | 'cancel' | 'persist' | 'read' | 'stat' | 'delete' | 'presign' | 'check';

/** One finished call. `bytes` is what a read handed out, or what a commit made readable; 0 elsewhere. */
export interface BlobStorageCall {
  readonly operation: BlobStorageOperation;
  readonly milliseconds: number;
  readonly bytes: number;
  /** The error it rejected with; undefined on success. Of writes only failures are told. */
  readonly error: unknown;
}

const LONGEST_PRESIGN_SECONDS = 7 * 24 * 3600;

/**
 * The one wrapper that composition puts around every adapter: checks arguments, makes unknown errors of an adapter a
 * DependencyUnavailable with the cause, tells `observe` of each call, and the trace of the request that makes it. A sink's own error passes through as it is.
 */
export class CheckedBlobStorage extends BlobStorage {
  constructor(private readonly inner: BlobStorage, private readonly observe: (call: BlobStorageCall) => void = () => undefined) {
    super();
  }

  override get largest(): number {
    return this.inner.largest;
  }

  override prepare(keys: readonly StorageKey[]): Promise<void> {
    return this.call('prepare', () => this.inner.prepare(keys));
  }

  /** @throws RangeError for a size that is no whole number from 0 to 2^53 - 1 */
  override create(key: StorageKey, size?: number): BlobWriter {
    if (size !== undefined) demand(Number.isSafeInteger(size) && size >= 0, `the size of an object is a whole number from 0 on, not ${size}`);
    return new CheckedWriter(key, size, this.inner.create(key, size), (operation, call, bytes) => this.call(operation, call, bytes));
  }

  override persist(key: StorageKey): Promise<void> {
    return this.call('persist', () => this.inner.persist(key));
  }

  override read(key: StorageKey, range: ByteRange | undefined, sink: ByteSink): Promise<void> {
    let bytes = 0;
    let refused: { readonly by: unknown } | undefined;
    const counting: ByteSink = async chunk => {
      try {
        await sink(chunk);
        bytes += chunk.length;
      } catch (error) {
        refused = { by: error };
        throw error;
      }
    };
    return this.call('read', async () => {
      if (range) demand(isRange(range), `a range has whole numbers 0 <= start <= end, not ${range.start}-${range.end}`);
      await this.inner.read(key, range, counting);
    }, () => bytes, error => refused !== undefined && refused.by === error);
  }

  override stat(key: StorageKey): Promise<number | undefined> {
    return this.call('stat', () => this.inner.stat(key));
  }

  override delete(key: StorageKey, state?: 'committed'): Promise<void> {
    return this.call('delete', () => this.inner.delete(key, state));
  }

  override presign(key: StorageKey, seconds: number): Promise<string | undefined> {
    return this.call('presign', async () => {
      demand(Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_PRESIGN_SECONDS, `a presigned URL lives 1 to ${LONGEST_PRESIGN_SECONDS} whole seconds, not ${seconds}`);
      return this.inner.presign(key, seconds);
    });
  }

  override check(): Promise<void> {
    return this.call('check', () => this.inner.check());
  }

  override close(): Promise<void> {
    return this.inner.close();
  }

  private async call<T>(operation: BlobStorageOperation, call: () => Promise<T>, bytes: () => number = () => 0, passes: (error: unknown) => boolean = () => false): Promise<T> {
    const begin = performance.now();
    // a span for each chunk that had to wait would be most of a trace; the commit tells of them all
    const span = operation === 'write' ? undefined : activeSpan()?.child(`storage ${operation}`);
    const tell = (error: unknown): void => {
      const told = { operation, milliseconds: performance.now() - begin, bytes: error === undefined ? bytes() : 0, error };
      this.observe(told);
      span?.set('waybill.bytes', told.bytes);
      span?.end(error);
    };
    try {
      const result = await call();
      tell(undefined);
      return result;
    } catch (error) {
      if (passes(error)) {
        // the caller ended the call; the storage did its part
        tell(undefined);
        throw error;
      }
      const told = isOurs(error) ? error : new DependencyUnavailable('the blob storage', error);
      tell(told);
      throw told;
    }
  }
}

function isOurs(error: unknown): boolean {
  return error instanceof RegistryError || error instanceof ObjectMissing || error instanceof TruncatedObject
    || error instanceof WriterMisuse || error instanceof ArgumentError;
}

/** Told from a RangeError of an adapter's inside, which is a failure of the adapter. */
class ArgumentError extends RangeError {}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new ArgumentError(what);
}

function isRange({ start, end }: ByteRange): boolean {
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end;
}
