import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { Breaker } from './breaker.js';
import type { S3Settings } from './s3-options.js';

/** Statuses that the client gives up on without reading their body, which would keep the connection busy for ever. */
const UNREAD = new Set([408, 429, 499, 500, 502, 503, 504, 520]);
const CONNECT_MS = 5_000;
/** What the system takes from us and has not sent yet, at most: it moves, but we cannot see it. */
const MOST_UNSEEN = 4 * 1024 * 1024;
/** 64 KiB a second: the slowest that counts as moving where we cannot see it. */
const MS_PER_UNSEEN_BYTE = 1000 / (64 * 1024);

type OnResponse = (response: IncomingMessage) => void;

/**
 * The connections of one storage, the deadline of each call (the client itself knows none), and whether S3 answers at all. The deadlines are for
 * silence: a body that moves, however slowly, is never cut, in either direction.
 */
export class S3Transport {
  readonly agent: http.Agent;
  readonly breaker = new Breaker();
  private readonly base: Pick<typeof http, 'request'>;

  constructor(private readonly settings: Pick<S3Settings, 'secure' | 'timeoutMs'>) {
    const pool = { keepAlive: true, maxFreeSockets: 32, noDelay: true };
    this.agent = settings.secure ? new https.Agent(pool) : new http.Agent(pool);
    this.base = settings.secure ? https : http;
  }

  /** Like http.request in both of its forms. */
  request(target: RequestOptions | string | URL, second?: RequestOptions | OnResponse, third?: OnResponse): ClientRequest {
    const onResponse = typeof second === 'function' ? second : third;
    const addressed = typeof target === 'string' || target instanceof URL;
    const request = addressed && typeof second === 'object' ? this.base.request(target, second, third) : this.base.request(target, onResponse);
    this.limitConnecting(request);
    this.limitSilence(request);
    return request;
  }

  close(): void {
    this.agent.destroy();
  }

  private limitConnecting(request: ClientRequest): void {
    const deadline = setTimeout(() => request.destroy(new Error(`S3 took no connection within ${CONNECT_MS} ms`)), CONNECT_MS);
    const connected = (): void => clearTimeout(deadline);
    request.once('socket', socket => {
      if (socket.connecting) socket.once(this.settings.secure ? 'secureConnect' : 'connect', connected);
      else connected();
    });
    request.once('close', connected);
  }

  private limitSilence(request: ClientRequest): void {
    const { timeoutMs } = this.settings;
    const length = Number(request.getHeader('content-length') ?? 0);
    const milliseconds = timeoutMs + Math.min(length, MOST_UNSEEN) * MS_PER_UNSEEN_BYTE;
    let answer: IncomingMessage | undefined;
    request.once('response', response => {
      answer = response;
      this.breaker.answered();
      response.socket.setTimeout(timeoutMs);
      if (UNREAD.has(response.statusCode ?? 0)) response.resume();
    });
    request.once('close', () => {
      if (answer === undefined) this.breaker.unanswered();
    });
    // of the socket: every byte that moves begins it anew
    request.setTimeout(milliseconds, () => {
      if (answer === undefined) request.destroy(new Error(`S3 gave no answer for ${Math.round(milliseconds)} ms`));
      // it is the reader who takes his time: S3 has sent more than he took
      else if (answer.readableLength > 0) answer.socket.setTimeout(timeoutMs);
      else answer.destroy(new Error(`the answer of S3 stalled for ${timeoutMs} ms`));
    });
  }
}
