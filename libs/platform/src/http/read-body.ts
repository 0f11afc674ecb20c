import type { IncomingMessage } from 'node:http';
import { DependencyUnavailable, OciError } from '@waybill/oci';
import { bodyMemory } from './body-memory.js';

/** A body up to this size is taken however many others are being read. */
const ORDINARY = 64 * 1024;

/**
 * Reads the whole body of a request, at most `limit` bytes, and gives it to `use`: refused by its announced length before a byte is read, and while it is
 * read. Until `use` has ended, whatever became of the client, a large body counts in the memory that all of them have.
 * @throws what `tooLarge` makes; OciError SIZE_INVALID where the client went away before the end; DependencyUnavailable where too many large
 * bodies are under way; what `use` throws
 */
export async function withBody<T>(request: IncomingMessage, limit: number, tooLarge: () => Error, use: (bytes: Buffer) => Promise<T>): Promise<T> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge();
  // A request that has ended already tells nobody again.
  if (request.destroyed) throw goneAway();
  const body = new Gathered(limit);
  try {
    await gather(request, body, tooLarge);
    return await use(body.bytes());
  } finally {
    body.release();
  }
}

/** The same for a body of which little is made: its bytes are the caller's, and count no more. */
export function readBody(request: IncomingMessage, limit: number, tooLarge: () => Error): Promise<Buffer> {
  return withBody(request, limit, tooLarge, (bytes) => Promise.resolve(bytes));
}

function gather(request: IncomingMessage, body: Gathered, tooLarge: () => Error): Promise<void> {
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      if (body.size + chunk.length > body.limit) refuse(tooLarge());
      else if (!body.add(chunk)) refuse(new DependencyUnavailable('memory for another large body'));
    };
    const refuse = (error: Error): void => {
      detach();
      request.pause();
      reject(error);
    };
    const end = (): void => {
      detach();
      resolve();
    };
    const gone = (): void => {
      detach();
      reject(goneAway());
    };
    const detach = (): void => {
      request.off('data', take).off('end', end).off('close', gone).off('error', gone);
    };
    request.on('data', take).on('end', end).on('close', gone).on('error', gone);
  });
}

/** Bytes in one buffer that doubles: a list of chunks of one byte each would take 400 times what they hold. */
class Gathered {
  size = 0;
  private buffer: Buffer = Buffer.alloc(0);
  /** Of these, what counts as large. */
  private large = 0;

  /** @param limit bytes that may come at most */
  constructor(readonly limit: number) {}

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

  /** What is large is not copied once more: it is held for as long as it counts. */
  bytes(): Buffer {
    const bytes = this.buffer.subarray(0, this.size);
    return this.large > 0 || this.size === this.buffer.length ? bytes : Buffer.from(bytes);
  }

  /** To be called once, when nobody uses the bytes any more. */
  release(): void {
    bodyMemory.release(this.large);
    this.large = 0;
  }

  private grow(size: number): boolean {
    const capacity = Math.max(size, Math.min(2 * this.buffer.length, this.limit));
    if (capacity > ORDINARY) {
      if (!bodyMemory.take(capacity, this.large)) return false;
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
