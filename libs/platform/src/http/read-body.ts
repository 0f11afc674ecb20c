import type { IncomingMessage } from 'node:http';
import { DependencyUnavailable, OciError } from '@waybill/oci';

/** A body up to this size is taken however many others are being read. */
const ORDINARY = 64 * 1024;
/** Bytes of all larger bodies being read: clients that begin many and finish none must not take the memory of the process. */
const LARGE_IN_ALL = 256 * 1024 * 1024;
let largeInAll = 0;

/**
 * The whole body of a request, at most `limit` bytes: refused by its announced length before a byte is read, and while it is read.
 * @throws what `tooLarge` makes; OciError SIZE_INVALID where the client went away before the end; DependencyUnavailable where too many large
 * bodies are being read
 */
export function readBody(request: IncomingMessage, limit: number, tooLarge: () => Error): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge());
  // A request that has ended already tells nobody again.
  if (request.destroyed) return Promise.reject(goneAway());
  return new Promise((resolve, reject) => {
    const body = new Gathered();
    const take = (chunk: Buffer): void => {
      if (body.size + chunk.length > limit) refuse(tooLarge());
      else if (!body.add(chunk)) refuse(new DependencyUnavailable('memory for another large body'));
    };
    const refuse = (error: Error): void => {
      detach();
      request.pause();
      reject(error);
    };
    const end = (): void => {
      detach();
      resolve(body.bytes());
    };
    const gone = (): void => {
      detach();
      reject(goneAway());
    };
    const detach = (): void => {
      body.release();
      request.off('data', take).off('end', end).off('close', gone).off('error', gone);
    };
    request.on('data', take).on('end', end).on('close', gone).on('error', gone);
  });
}

/** Bytes in one buffer that doubles: a list of chunks of one byte each would take 400 times what they hold. */
class Gathered {
  size = 0;
  private buffer: Buffer = Buffer.alloc(0);
  private large = 0;

  /** Gives false, and takes nothing, where there are too many large bodies. */
  add(chunk: Buffer): boolean {
    const size = this.size + chunk.length;
    if (this.size === 0) this.buffer = chunk;
    else {
      if (size > this.buffer.length && !this.grow(size)) return false;
      chunk.copy(this.buffer, this.size);
    }
    this.size = size;
    return true;
  }

  bytes(): Buffer {
    return this.size === this.buffer.length ? this.buffer : Buffer.from(this.buffer.subarray(0, this.size));
  }

  /** What was gathered is somebody else's from now on. */
  release(): void {
    largeInAll -= this.large;
    this.large = 0;
  }

  private grow(size: number): boolean {
    const capacity = Math.max(size, 2 * this.buffer.length);
    if (capacity > ORDINARY) {
      if (largeInAll - this.large + capacity > LARGE_IN_ALL) return false;
      largeInAll += capacity - this.large;
      this.large = capacity;
    }
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.buffer.copy(grown, 0, 0, this.size);
    this.buffer = grown;
    return true;
  }
}

function goneAway(): OciError {
  return new OciError('SIZE_INVALID', 'the request ended before its body did');
}
