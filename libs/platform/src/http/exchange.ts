import type { IncomingMessage, ServerResponse } from 'node:http';

/** Flat list: name, value, name, value. Node writes it with less work than an object. */
export type HeaderList = readonly string[];

/** One request and its response. Made by the front controller for every `/v2/` request. */
export class Exchange {
  /** Who acts; '' while the registry runs without authentication. Upload sessions are bound to it. */
  readonly principal: string = '';

  constructor(readonly request: IncomingMessage, readonly response: ServerResponse) {}

  /**
   * Writes the whole answer in one go: `Docker-Distribution-Api-Version`, `X-Content-Type-Options` and an exact Content-Length are added here.
   * On HEAD, 204 and 304 the body is not sent; its length is announced on HEAD. A caller that only knows the length (HEAD of a blob) gives
   * a Content-Length in `headers` and no body.
   */
  reply(status: number, headers: HeaderList, body?: Buffer | string): void {
    throw new Error(`reply is being written: ${status} ${headers.length} ${body?.length}`);
  }

  /** Begins an answer whose `length` bytes follow by `response.write`; the caller ends the response. */
  begin(status: number, headers: HeaderList, length: number): ServerResponse {
    throw new Error(`begin is being written: ${status} ${headers.length} ${length}`);
  }

  /** The `meta` of the events that this request appends (event-log.md 2.2), as the JSON text of a parameter. Made when first asked for. */
  eventMeta(repository: string): string {
    throw new Error(`eventMeta is being written: ${repository}`);
  }
}
