import { endAfterBody } from '../http/error-writer.js';
import type { Exchange } from '../http/exchange.js';
import type { ReplicaCall, ReplicaConnection } from './replica-connection.js';
import type { RequestBody } from './request-body.js';
import type { ResponseHead } from './response-head.js';
import type { Replica } from './service.js';

/** What goes to the replica. */
export interface Outgoing {
  readonly head: string;
  readonly body: RequestBody | undefined;
  readonly answerMs: number;
}

/** Chunks of an answer that the client has not taken, at most; of 256 KiB each at the largest. */
const AHEAD = 2;
/** Bytes of an answer up to which it is written as text together with its head, which saves a copy and a list of two for the system. */
const SHORT = 16 * 1024;

/**
 * One request at one replica: streams the body there and the answer back, each side waiting for the other. Whoever goes away takes the other side
 * along; an answer that broke off ends the client's connection, so that no part is taken for the whole.
 */
export class Hop implements ReplicaCall {
  /** The request is on its way: the replica may have done what it asks. */
  sent = false;
  /** The client has the beginning of an answer. */
  answered = false;
  private connection: ReplicaConnection | undefined;
  /** Chunks that the system has not taken yet. */
  private ahead = 0;
  private resolve: () => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;

  constructor(private readonly replica: Replica, private readonly exchange: Exchange, private readonly outgoing: Outgoing) {}

  get toHead(): boolean {
    return this.exchange.request.method === 'HEAD';
  }

  get head(): string {
    return this.outgoing.head;
  }

  get hasBody(): boolean {
    return this.outgoing.body !== undefined;
  }

  get repeatable(): boolean {
    return changesNothing(this.exchange);
  }

  get answerMs(): number {
    return this.outgoing.answerMs;
  }

  /** Resolves when the answer is the client's. Rejects with what went wrong between here and the replica, or with the client's leaving. */
  async run(): Promise<void> {
    const { response } = this.exchange;
    this.replica.pending += 1;
    response.once('close', this.onClose);
    try {
      await new Promise<void>((resolve, reject) => {
        this.resolve = resolve;
        this.reject = reject;
        this.replica.pool.start(this);
      });
    } finally {
      response.off('close', this.onClose);
      this.replica.pending -= 1;
    }
  }

  onStart(connection: ReplicaConnection): void {
    this.connection = connection;
  }

  onSending(): void {
    const { connection } = this;
    this.sent = true;
    if (connection !== undefined) this.outgoing.body?.start(connection.socket, () => connection.bodySent());
  }

  onHead({ status, headers }: ResponseHead, whole: Buffer | undefined): void {
    const { exchange } = this;
    const { response } = exchange;
    // the replica refused the rest of the body: so do we
    if (this.isEarly()) response.shouldKeepAlive = false;
    response.writeHead(status, headers);
    exchange.status = status;
    this.answered = true;
    if (whole === undefined) return;
    exchange.bytes += whole.length;
    if (this.isEarly()) response.write(Buffer.from(whole));
    else if (whole.length <= SHORT) response.end(whole.toString('latin1'), 'latin1');
    else response.end(Buffer.from(whole));
  }

  onData(chunk: Buffer, free: () => void): boolean {
    const { exchange } = this;
    exchange.bytes += chunk.length;
    this.ahead += 1;
    exchange.response.write(chunk, () => {
      free();
      this.ahead -= 1;
      if (this.ahead < AHEAD) this.connection?.resume(this);
    });
    return this.ahead < AHEAD;
  }

  onEnd(): void {
    const { request, response } = this.exchange;
    const { body } = this.outgoing;
    body?.stop();
    if (this.isEarly()) {
      // the client gets the whole answer now, and the rest of its body is read by nobody else
      response.flushHeaders();
      endAfterBody(this.exchange);
    } else {
      if (!response.writableEnded) response.end();
      // what of the body has come is not the replica's any more, and must not stand before the client's next request
      if (body !== undefined && !request.readableEnded) request.resume();
    }
    this.resolve();
  }

  onFailure(error: Error): void {
    this.outgoing.body?.stop();
    this.reject(error);
  }

  /** Whether the answer comes while the client is still sending. */
  private isEarly(): boolean {
    return this.outgoing.body !== undefined && !this.exchange.request.complete;
  }

  private readonly onClose = (): void => {
    // by its code the one who answers knows that nobody is there to be told (error-writer.ts)
    if (!this.exchange.response.writableFinished) this.connection?.abort(this, Object.assign(new Error('the client went away'), { code: 'ECONNRESET' }));
  };
}

/** Whether the request may be sent a second time (RFC 9110 section 9.2.1). */
export function changesNothing({ request }: Exchange): boolean {
  return request.method === 'GET' || request.method === 'HEAD';
}
