import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request and its response. Made by the front controller for every `/v2/` request. */
export class Exchange {
  constructor(readonly request: IncomingMessage, readonly response: ServerResponse) {}
}
