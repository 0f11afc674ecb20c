import http, { type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import type { S3Settings } from './s3-options.js';

/** Statuses that the client gives up on without reading their body, which would keep the connection busy for ever. */
const UNREAD = new Set([408, 429, 499, 500, 502, 503, 504, 520]);
const MS_PER_BYTE_SENT = 1000 / (1024 * 1024);

type OnResponse = (response: IncomingMessage) => void;

/** The connections of one storage, and the deadline of each call: the client itself knows none. */
export class S3Transport {
  readonly agent: http.Agent;
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
    this.limit(request);
    return request;
  }

  close(): void {
    this.agent.destroy();
  }

  private limit(request: ClientRequest): void {
    const { timeoutMs } = this.settings;
    const length = Number(request.getHeader('content-length') ?? 0);
    const milliseconds = timeoutMs + length * MS_PER_BYTE_SENT;
    const deadline = setTimeout(() => request.destroy(new Error(`S3 gave no answer within ${Math.round(milliseconds)} ms`)), milliseconds);
    request.once('response', response => {
      clearTimeout(deadline);
      if (UNREAD.has(response.statusCode ?? 0)) response.resume();
      response.setTimeout(timeoutMs, () => response.destroy(new Error(`the answer of S3 stalled for ${timeoutMs} ms`)));
    });
    request.once('close', () => clearTimeout(deadline));
  }
}
