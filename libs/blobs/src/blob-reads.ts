import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { BlobStorage, ByteRange } from '@waybill/blob-storage';
import { digestAlgorithm, digestFrom } from '@waybill/oci';
import { ByteCache } from '@waybill/platform';
import type { BlobLink } from './blob-links.js';

/** Blobs up to this many bytes (configs, attestations, small layers) are kept in memory while they are asked for. */
const SMALL = 64 * 1024;

/** Bytes in the storage that are not those of the digest: served to nobody. */
export class CorruptBlob extends Error {
  override readonly name = 'CorruptBlob';

  constructor(link: BlobLink) {
    super(`the object ${link.key} does not hold the bytes of ${link.digest}; restore it from a copy or push the blob again after deleting it`);
  }
}

/** The connection ended before the blob did. Its code is the one by which the front controller knows that nothing of ours failed. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
  readonly code = 'ERR_STREAM_PREMATURE_CLOSE';

  constructor() {
    super('the client went away before the end of the blob');
  }
}

export interface BlobReadOptions {
  /** Bytes of memory for small blobs; 0 for none. */
  readonly cacheBytes: number;
  /** Whether large blobs are hashed while they are sent as a whole; small ones always are when they are read. */
  readonly verify: boolean;
}

/** The way of a blob's bytes from the storage to a client. Visibility was decided before: whatever is asked here may be seen. */
export class BlobReads {
  private readonly cache: ByteCache;

  constructor(private readonly storage: BlobStorage, private readonly options: BlobReadOptions) {
    this.cache = new ByteCache(options.cacheBytes);
  }

  /** The bytes of a blob that is small, checked; undefined for a larger one. @throws CorruptBlob */
  small(link: BlobLink): Buffer | Promise<Buffer> | undefined {
    if (link.size > SMALL) return undefined;
    return this.cache.get(link.digest) ?? this.load(link);
  }

  /** A URL that serves the blob for `seconds`; undefined where the storage has none to give. */
  presign(link: BlobLink, seconds: number): Promise<string | undefined> {
    return this.storage.presign(link.key, seconds);
  }

  /**
   * Writes a range to a response, whose head `begin` writes before the first byte. Resolves when the last byte was taken by the socket; the caller
   * ends the response.
   * @throws CorruptBlob before the last bytes are written, TruncatedObject, the socket's error, or ClientGone
   */
  async send(link: BlobLink, range: ByteRange, response: ServerResponse, begin: () => ServerResponse): Promise<void> {
    const whole = range.start === 0 && range.end === link.size - 1;
    const hash = this.options.verify && whole ? createHash(digestAlgorithm(link.digest)) : undefined;
    let left = range.end - range.start + 1;
    // Node forgets the callback of a write to a response whose connection ends before it got or while it loses its socket: without another
    // word the storage would wait for ever, with the object open.
    let giveUp: ((error: Error) => void) | undefined;
    const gone = (): void => giveUp?.(new ClientGone());
    response.once('close', gone);
    try {
      await this.storage.read(link.key, range, (chunk) => {
        left -= chunk.length;
        hash?.update(chunk);
        if (left === 0 && hash !== undefined && digestFrom(digestAlgorithm(link.digest), hash) !== link.digest) return Promise.reject(new CorruptBlob(link));
        if (response.destroyed) return Promise.reject(new ClientGone());
        return new Promise((resolve, reject) => {
          giveUp = reject;
          begin().write(chunk, (error) => (error ? reject(error) : resolve()));
        });
      });
    } finally {
      response.off('close', gone);
    }
  }

  private async load(link: BlobLink): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(link.size);
    let at = 0;
    if (link.size > 0) {
      await this.storage.read(link.key, { start: 0, end: link.size - 1 }, (chunk) => {
        at += chunk.copy(bytes, at);
        return Promise.resolve();
      });
    }
    const algorithm = digestAlgorithm(link.digest);
    if (digestFrom(algorithm, createHash(algorithm).update(bytes)) !== link.digest) throw new CorruptBlob(link);
    this.cache.set(link.digest, bytes);
    return bytes;
  }
}
