import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { countChunk } from '../chunk-garbage.js';

/**
 * Sends the body of a client's request to a replica, no faster than that takes it. Not a byte of it is taken before `start`, so that a replica which
 * cannot be reached costs nothing: the next one gets the whole body.
 */
export class RequestBody {
  /** Whether bytes were taken: they cannot be sent to another replica. */
  taken = false;
  private socket: Socket | undefined;
  private sent: () => void = () => undefined;
  private isFirst = true;

  /** @param chunked its length is not known: it goes in chunks */
  constructor(private readonly incoming: IncomingMessage, private readonly chunked: boolean) {}

  /** `sent` is called when all of it was written. A client that goes away in the middle is noticed by whoever holds its response. */
  start(socket: Socket, sent: () => void): void {
    this.taken = true;
    this.socket = socket;
    this.sent = sent;
    socket.on('drain', this.onDrain);
    this.incoming.on('data', this.onData).once('end', this.onEnd);
    this.incoming.resume();
  }

  /** Reads no further, and leaves the client's request as it is: whoever ends the exchange decides about the rest. */
  stop(): void {
    if (this.socket === undefined) return;
    this.socket.off('drain', this.onDrain);
    this.socket = undefined;
    this.incoming.off('data', this.onData).off('end', this.onEnd).pause();
  }

  private readonly onData = (chunk: Buffer): void => {
    const { socket } = this;
    if (socket === undefined) return;
    countChunk(chunk.length);
    if (this.chunked) {
      // the end of the chunk before goes along, which saves a write
      socket.cork();
      socket.write(`${this.isFirst ? '' : '\r\n'}${chunk.length.toString(16)}\r\n`, 'latin1');
      this.isFirst = false;
    }
    const isTaken = socket.write(chunk);
    if (this.chunked) socket.uncork();
    if (!isTaken) this.incoming.pause();
  };

  private readonly onDrain = (): void => void this.incoming.resume();

  private readonly onEnd = (): void => {
    const { socket, sent } = this;
    if (this.chunked) socket?.write(this.isFirst ? '0\r\n\r\n' : '\r\n0\r\n\r\n', 'latin1');
    socket?.off('drain', this.onDrain);
    this.socket = undefined;
    this.incoming.off('data', this.onData);
    sent();
  };
}
