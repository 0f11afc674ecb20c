import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { countChunk } from '../chunk-garbage.js';

/**
 * The body of a client's request for a replica. Not a byte of it is taken before the replica reads, so that a replica which cannot be reached
 * costs nothing: the next one gets the whole body.
 */
export class RequestBody extends Readable {
  /** Whether bytes were taken: they cannot be sent to another replica. */
  taken = false;

  constructor(private readonly incoming: IncomingMessage) {
    super({ highWaterMark: 64 * 1024 });
    // a replica that answers before it has read everything destroys us; its answer is what counts
    this.on('error', () => undefined);
  }

  override _read(): void {
    if (!this.taken) {
      this.taken = true;
      this.incoming.on('data', this.onData).once('end', this.onEnd).once('close', this.onClose);
    }
    this.incoming.resume();
  }

  /** Leaves the client's request as it is: whoever ends the exchange decides about the rest. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.incoming.off('data', this.onData).off('end', this.onEnd).off('close', this.onClose);
    this.incoming.pause();
    done(error);
  }

  private readonly onData = (chunk: Buffer): void => {
    countChunk(chunk.length);
    if (!this.push(chunk)) this.incoming.pause();
  };

  private readonly onEnd = (): void => void this.push(null);

  private readonly onClose = (): void => {
    if (!this.incoming.complete) this.destroy(Object.assign(new Error('the client went away in the middle of its body'), { code: 'ECONNRESET' }));
  };
}
