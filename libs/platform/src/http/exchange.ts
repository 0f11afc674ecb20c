import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { OciRequest } from '@waybill/oci';
import type { Span } from '../telemetry/span.js';
import { traceparentOf } from '../telemetry/trace-context.js';
import { NOBODY, UNCONDITIONAL } from './caller.js';
import type { Caller, Conditions } from './caller.js';
import type { EndpointKind } from './endpoints.js';
import { certificateOf } from './tls/client-certificate.js';
import type { ClientCertificate } from './tls/client-certificate.js';

/** Flat list: name, value, name, value. Node writes it with less work than an object. */
export type HeaderList = readonly string[];

/** On every answer. Clients may insist on the first (wire-protocol G6); the second keeps a browser from running a blob (section 7 point 5). */
export const ALWAYS = ['Docker-Distribution-Api-Version', 'registry/2.0', 'X-Content-Type-Options', 'nosniff'] as const;
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;
const USER_AGENT_LENGTH = 256;

/** One request and its response. Made for every `/v2/` request by the front controller, and for the endpoints beside it (endpoints.ts). */
export class Exchange {
  /** Who acts. The guard sets it before a handler runs. */
  caller: Caller = NOBODY;
  /** What the caller may do only if things stand in a certain way; handlers look. Set by the guard. */
  conditions: Conditions = UNCONDITIONAL;
  /** The status sent; 0 before that. */
  status = 0;
  /** Of the body that was sent, or that `begin` announced. */
  bytes = 0;
  /** Set by the front controller; undefined where the request could not be parsed. */
  parsed: OciRequest | undefined;
  /** Set where it is a request outside `/v2/`. */
  endpoint: EndpointKind | undefined;
  /** Set where an API of operations answers: which one, and the repository that its path names. */
  operation: { readonly id: string; readonly repository: string | null } | undefined;
  /** Of the work for this request; undefined where its trace is not recorded. */
  span: Span | undefined;
  private id: string | undefined;
  private trace: string | undefined;

  /** @param findCertificate whose word about the client's certificate counts; the connection's alone unless given */
  constructor(
    readonly request: IncomingMessage,
    readonly response: ServerResponse,
    private readonly findCertificate: (request: IncomingMessage) => ClientCertificate | undefined = ({ socket }) => certificateOf(socket),
  ) {}

  /** Of the client, verified, or undefined. Who that is, if anybody, is for the guard to say (loginOf). */
  get clientCertificate(): ClientCertificate | undefined {
    return this.findCertificate(this.request);
  }

  get principal(): string {
    return this.caller.principal;
  }

  /** `X-Request-Id` where a proxy in front has given one, else our own. */
  get requestId(): string {
    const given = this.request.headers['x-request-id'];
    return (this.id ??= typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID());
  }

  /** W3C trace context: of our span where the trace is recorded, the caller's where it is well-formed, else the beginning of a new trace. */
  get traceparent(): string {
    return this.span?.traceparent ?? (this.trace ??= traceparentOf(this.request.headers['traceparent']));
  }

  get traceId(): string {
    return this.traceparent.slice(3, 35);
  }

  /**
   * Writes the whole answer in one go: `Docker-Distribution-Api-Version`, `X-Content-Type-Options` and an exact Content-Length are added here.
   * On HEAD the body is not sent, only its length; a caller that knows no more than the length (HEAD of a blob) gives a Content-Length in `headers`
   * and no body. 204 and 304 have neither.
   */
  reply(status: number, headers: HeaderList, body?: Buffer | string): void {
    this.writeHead(status, headers, body);
    // Node leaves the body out of an answer to HEAD.
    this.response.end(body);
  }

  /**
   * As `reply`, but leaves the answer open after its last byte: the client has all of it and may read it, while its connection cannot end
   * before the caller ends the response. `Connection: close` tells it to stop sending.
   */
  replyAndLinger(status: number, headers: HeaderList, body: string): void {
    this.response.shouldKeepAlive = false;
    this.writeHead(status, headers, body);
    if (this.request.method === 'HEAD') this.response.flushHeaders();
    else this.response.write(body);
  }

  private writeHead(status: number, headers: HeaderList, body: Buffer | string | undefined): void {
    this.status = status;
    const isHead = this.request.method === 'HEAD';
    const length = body === undefined ? 0 : Buffer.byteLength(body);
    if (!isHead) this.bytes = length;
    const head = [...ALWAYS, ...headers];
    if ((body !== undefined || !isHead) && status !== 204 && status !== 304) head.push('Content-Length', String(length));
    this.response.writeHead(status, head);
  }

  /** Begins an answer whose `length` bytes follow by `response.write`; the caller ends the response. */
  begin(status: number, headers: HeaderList, length: number): ServerResponse {
    this.status = status;
    this.bytes = length;
    return this.response.writeHead(status, [...ALWAYS, ...headers, 'Content-Length', String(length)]);
  }

  /**
   * Begins an answer whose length nobody knows yet; the caller writes it and ends the response. Where that does not come to its end, its connection has to be
   * cut (an error does): the last chunk, by which a client knows the end, is then missing.
   */
  beginOpen(status: number, headers: HeaderList): ServerResponse {
    this.status = status;
    return this.response.writeHead(status, [...ALWAYS, ...headers]);
  }

  /**
   * The `meta` of the events that this request appends (event-log.md 2.2), as the JSON text of a parameter. It holds no personal data: addresses
   * and people are references into es.actor.
   */
  eventMeta(repository: string): string {
    return JSON.stringify({
      repo_name: repository,
      request_id: this.requestId,
      actor_ref: this.caller.actor,
      auth_kind: this.caller.kind,
      traceparent: this.traceparent,
      client: { ua: this.request.headers['user-agent']?.slice(0, USER_AGENT_LENGTH) ?? null, ip_ref: null },
    });
  }
}
