import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { countChunk } from '../chunk-garbage.js';
import { SHARED_BUFFER, giveBack, takeBuffer } from './read-buffers.js';
import type { ResponseHead } from './response-head.js';
import { ResponseReader } from './response-reader.js';
import type { AnswerSink } from './response-reader.js';

/** One request and whoever waits for its answer. After `onHead` come `onData` any number of times and `onEnd`; `onFailure` may come in place of each, and is the last. */
export interface ReplicaCall {
  readonly toHead: boolean;
  /** The head as it goes out, in latin1. */
  readonly head: string;
  /** A body follows: whoever calls writes it to the connection's socket from `onSending` on, and then calls `bodySent`. */
  readonly hasBody: boolean;
  /** Changes nothing, so that it goes out again where a kept connection turns out to be closed. */
  readonly repeatable: boolean;
  /** Milliseconds from the last byte of the request to the end of the answer's head, at most. */
  readonly answerMs: number;
  /** The call is this connection's now, which may not be made yet. Comes again when the request is repeated. */
  onStart(connection: ReplicaConnection): void;
  /** The connection is there, and the head of the request is on its way: from now on the replica may have done what it asks. */
  onSending(): void;
  /** @param whole all of the body, where it came together with its head; valid during the call only */
  onHead(head: ResponseHead, whole: Buffer | undefined): void;
  /** `free` is to be called when the chunk was passed on. Gives false where nothing more is to be read until `resume`. */
  onData(chunk: Buffer, free: () => void): boolean;
  onEnd(): void;
  onFailure(error: Error): void;
}

/** Who keeps the connections of a replica. */
export interface ConnectionKeeper {
  /** Can be used again. */
  onIdle(connection: ReplicaConnection): void;
  /** The connection broke under this call. @param stale it was a kept one and not a byte of an answer came */
  onBroken(call: ReplicaCall, error: Error, stale: boolean): void;
  onClosed(connection: ReplicaConnection): void;
}

export interface ReplicaAddress {
  readonly host: string;
  readonly port: number;
}

/** Milliseconds that a connection may take to be made. */
const CONNECT_MS = 2_000;
const nothing = (): void => undefined;

/** No answer came in time. It says nothing of the replica: another one would take as long. */
export class AnswerTimeout extends Error {
  override readonly name = 'AnswerTimeout';
}

/** One kept-alive connection to a replica, with one request under way at most. */
export class ReplicaConnection implements AnswerSink {
  readonly socket: Socket;
  /** When its last answer ended; performance.now(). */
  idleSince = 0;
  private readonly reader = new ResponseReader(this);
  private call: ReplicaCall | undefined;
  private connected = false;
  /** It has answered before: the replica may have closed it meanwhile. */
  private kept = false;
  /** The request under way was sent whole. */
  private isSent = true;
  private keepAlive = true;
  private paused = false;
  private corked = false;
  private buffer = SHARED_BUFFER;
  /** When it is given up; performance.now(). */
  private deadline = performance.now() + CONNECT_MS;

  constructor(address: ReplicaAddress, private readonly keeper: ConnectionKeeper) {
    this.socket = connect({ ...address, noDelay: true, onread: { buffer: this.nextBuffer, callback: this.onRead } });
    this.socket.once('connect', () => {
      this.connected = true;
      if (this.call !== undefined) this.send(this.call);
    });
    const closed = (): void => this.onLost(Object.assign(new Error('the replica closed the connection before its answer was whole'), { code: 'ECONNRESET' }));
    this.socket.on('error', (error) => this.onLost(error)).on('end', closed);
    this.socket.on('close', () => {
      closed();
      this.keeper.onClosed(this);
    });
  }

  start(call: ReplicaCall): void {
    this.call = call;
    call.onStart(this);
    if (this.connected) this.send(call);
  }

  private send(call: ReplicaCall): void {
    this.reader.expect(call.toHead);
    this.isSent = !call.hasBody;
    this.deadline = call.hasBody ? Infinity : performance.now() + call.answerMs;
    if (call.hasBody) {
      // a short body is often here, and its end some ticks behind it: all of it goes in one packet with the head
      this.socket.cork();
      this.corked = true;
      setImmediate(this.uncork);
    }
    this.socket.write(call.head, 'latin1');
    call.onSending();
  }

  /** All of the request's body was written. */
  bodySent(): void {
    this.isSent = true;
    this.uncork();
    if (this.call !== undefined && this.deadline === Infinity && !this.reader.begun) this.deadline = performance.now() + this.call.answerMs;
  }

  /** Gives up the call, if it is still this one, and with it the connection: what it has asked and what comes back cannot be told apart from the next. */
  abort(call: ReplicaCall, error: Error): void {
    if (this.call !== call) return;
    this.call = undefined;
    this.socket.destroy();
    call.onFailure(error);
  }

  /** Reads on after `onData` gave false. */
  resume(call: ReplicaCall): void {
    if (this.call !== call || !this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  /** Gives up what takes too long. @param now performance.now() */
  expire(now: number): void {
    if (this.call === undefined || now < this.deadline) return;
    if (this.connected) this.abort(this.call, new AnswerTimeout('the replica did not answer in time'));
    else this.abort(this.call, Object.assign(new Error(`the connection was not made within ${CONNECT_MS} ms`), { code: 'ETIMEDOUT' }));
  }

  /** Ends it, with whatever it is about. */
  destroy(): void {
    this.socket.destroy();
  }

  onHead(head: ResponseHead, whole: Buffer | undefined): void {
    this.deadline = Infinity;
    this.keepAlive = head.keepAlive;
    this.call?.onHead(head, whole);
  }

  onData(chunk: Buffer): void {
    const { call, buffer } = this;
    if (call === undefined) return;
    if (buffer === SHARED_BUFFER) {
      countChunk(chunk.length);
      this.paused = !call.onData(Buffer.from(chunk), nothing);
      return;
    }
    // a buffer of our own holds one chunk of a large body and nothing else, so it can be given away
    this.buffer = SHARED_BUFFER;
    this.paused = !call.onData(chunk, () => giveBack(buffer));
  }

  onEnd(): void {
    const { call } = this;
    this.call = undefined;
    this.paused = false;
    this.kept = true;
    if (this.keepAlive && this.isSent && !this.reader.surplus && this.socket.writableLength === 0) {
      this.idleSince = performance.now();
      this.keeper.onIdle(this);
    } else this.socket.destroy();
    call?.onEnd();
  }

  private onLost(error: Error): void {
    const { call } = this;
    this.call = undefined;
    this.socket.destroy();
    if (call !== undefined) this.keeper.onBroken(call, error, this.kept && !this.reader.begun);
  }

  private readonly uncork = (): void => {
    if (!this.corked) return;
    this.corked = false;
    this.socket.uncork();
  };

  private readonly onRead = (length: number): boolean => {
    try {
      this.reader.push(this.buffer.subarray(0, length));
    } catch (error) {
      this.onLost(error instanceof Error ? error : new Error(String(error)));
    }
    return !this.paused;
  };

  private readonly nextBuffer = (): Uint8Array => {
    const isLarge = this.reader.remaining > SHARED_BUFFER.length;
    if (isLarge && this.buffer === SHARED_BUFFER) this.buffer = takeBuffer();
    else if (!isLarge && this.buffer !== SHARED_BUFFER) {
      giveBack(this.buffer);
      this.buffer = SHARED_BUFFER;
    }
    return this.buffer;
  };
}
