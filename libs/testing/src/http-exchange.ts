import { request as httpRequest, type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** Bytes are sent with a Content-Length; pieces are sent with `Transfer-Encoding: chunked`, unless the headers give a Content-Length. */
export type RequestBody = Buffer | string | AsyncIterable<Uint8Array>;

export interface HttpRequest {
  readonly method: string;
  /** Path and query, sent exactly as given: nothing is normalised or encoded. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal;
}

/** A whole answer. */
export class HttpAnswer {
  constructor(
    readonly status: number,
    readonly headers: IncomingHttpHeaders,
    readonly body: Buffer,
  ) {}

  /** The value of a header; repeated lines are joined by a comma. Undefined where it is absent. */
  header(name: string): string | undefined {
    const value = this.headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The body as JSON. Throws with the text where it is none. */
  json(): unknown {
    try {
      return JSON.parse(this.body.toString('utf8'));
    } catch (cause) {
      throw new Error(`Expected JSON with status ${this.status}, got: ${this.body.toString('utf8', 0, 500)}`, { cause });
    }
  }

  /** The codes of the spec's `errors` array, in order; empty where the body is no error body. */
  errorCodes(): readonly string[] {
    return this.errors().map((error) => error.code);
  }

  /** The entries of the spec's `errors` array. */
  errors(): readonly { readonly code: string; readonly message: unknown; readonly detail: unknown }[] {
    const body: unknown = this.body.length === 0 ? undefined : this.json();
    if (!isRecord(body) || !Array.isArray(body['errors'])) return [];
    return body['errors'].filter(isRecord).map((entry) => ({ code: String(entry['code']), message: entry['message'], detail: entry['detail'] }));
  }

  /** One line for the message of a failed expectation. */
  toString(): string {
    return `${this.status} ${JSON.stringify(this.headers)} ${JSON.stringify(this.body.toString('latin1', 0, 300))}`;
  }
}

/**
 * Sends one request and collects the answer. An answer that arrives before the body is sent counts: what the connection does after it does not
 * matter. Rejects when the connection ends before an answer.
 */
export function exchange(origin: URL, agent: Agent, request: HttpRequest): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      host: origin.hostname,
      port: origin.port,
      agent,
      method: request.method,
      path: request.path,
      ...(request.headers === undefined ? {} : { headers: request.headers }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    let answered = false;
    outgoing.on('response', (incoming) => {
      answered = true;
      incoming.toArray().then((chunks) => resolve(new HttpAnswer(incoming.statusCode ?? 0, incoming.headers, Buffer.concat(chunks))), reject);
    });
    outgoing.on('error', (error) => {
      if (!answered) reject(new Error(`${request.method} ${request.path.slice(0, 200)}: ${error.message}`, { cause: error }));
    });
    const { body } = request;
    if (body === undefined) outgoing.end();
    else if (typeof body === 'string' || Buffer.isBuffer(body)) outgoing.end(body);
    // A failure of the body's transfer reaches the 'error' event of the request as well.
    else pipeline(Readable.from(body, { objectMode: false }), outgoing).catch((error: Error) => outgoing.destroy(error));
  });
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
