import type { StorageKey } from './blob-storage.js';

/**
 * No committed object has this key. Whoever resolved the key asks once more where the bytes are (a sweep may have come between);
 * a second miss is a loss of data, so this is no RegistryError: unhandled it is answered 500 and logged with the key.
 */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing';

  constructor(readonly key: StorageKey, cause?: unknown) {
    super(`no object in the blob storage has the key ${key}; look the blob up again, and run a storage check when it stays missing`, { cause });
  }
}

/** Fewer bytes came than the range or the stored size promised. The bytes handed out so far are good only as a beginning. */
export class TruncatedObject extends Error {
  override readonly name = 'TruncatedObject';

  /** @param missing bytes that did not come */
  constructor(readonly key: StorageKey, readonly missing: number, cause?: unknown) {
    super(`the object ${key} ended ${missing} bytes too early; end the response without a clean end and repeat the read`, { cause });
  }
}

/** A key was used for a second writer, or a writer after its end: a mistake of the caller, never of the storage. */
export class WriterMisuse extends Error {
  override readonly name = 'WriterMisuse';

  constructor(readonly key: StorageKey, what: string) {
    super(`the writer of object ${key} ${what}`);
  }
}
