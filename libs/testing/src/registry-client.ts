import { Agent, type OutgoingHttpHeaders } from 'node:http';
import { exchange, type HttpAnswer, type HttpRequest, type RequestBody } from './http-exchange.js';

/** What a call sends beside its path: headers win over those that the method would send by itself. */
export interface CallOptions {
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: RequestBody | undefined;
  /** With its question mark, already encoded. */
  readonly query?: string;
}

/**
 * Every endpoint of the `/v2/` API, one method each (wire-protocol section 1). No method judges the answer, follows a redirect or repeats a
 * request: that is the test's business.
 */
export class RegistryClient {
  readonly origin: URL;
  readonly #agent = new Agent({ keepAlive: true });

  /** @param headers of every call that does not give its own, such as Authorization */
  constructor(readonly baseUrl: string, readonly headers: OutgoingHttpHeaders = {}) {
    this.origin = new URL(baseUrl);
  }

  /** The headers of every call, for a head that is written by hand: '' or lines that each end. */
  get headerLines(): string {
    return Object.entries(this.headers).map(([name, value]) => `${name}: ${String(value)}\r\n`).join('');
  }

  send(request: HttpRequest): Promise<HttpAnswer> {
    return exchange(this.origin, this.#agent, { ...request, headers: { ...this.headers, ...request.headers } });
  }

  get(path: string, headers?: OutgoingHttpHeaders): Promise<HttpAnswer> {
    return this.send({ method: 'GET', path, ...(headers && { headers }) });
  }

  head(path: string, headers?: OutgoingHttpHeaders): Promise<HttpAnswer> {
    return this.send({ method: 'HEAD', path, ...(headers && { headers }) });
  }

  ping(): Promise<HttpAnswer> {
    return this.get('/v2/');
  }

  getBlob(repository: string, digest: string, headers?: OutgoingHttpHeaders): Promise<HttpAnswer> {
    return this.get(blobPath(repository, digest), headers);
  }

  headBlob(repository: string, digest: string, headers?: OutgoingHttpHeaders): Promise<HttpAnswer> {
    return this.head(blobPath(repository, digest), headers);
  }

  deleteBlob(repository: string, digest: string): Promise<HttpAnswer> {
    return this.send({ method: 'DELETE', path: blobPath(repository, digest) });
  }

  /** `POST .../uploads/`: with a body and `?digest=` a whole upload, without a new session. */
  startUpload(repository: string, options: CallOptions = {}): Promise<HttpAnswer> {
    return this.#call('POST', uploadsPath(repository), options, { 'Content-Length': 0 });
  }

  /** Mounts `digest` from another repository, or from any where `from` is not given. */
  mountBlob(repository: string, digest: string, from?: string): Promise<HttpAnswer> {
    return this.startUpload(repository, { query: `?mount=${digest}${from === undefined ? '' : `&from=${encodeURIComponent(from)}`}` });
  }

  appendUpload(location: string, body: RequestBody, headers: OutgoingHttpHeaders = {}): Promise<HttpAnswer> {
    return this.#call('PATCH', this.resolve(location), { body, headers: { 'Content-Type': 'application/octet-stream', ...headers } });
  }

  /** `PUT <location>?digest=`; other parameters of the location stay as they are. */
  completeUpload(location: string, digest: string, options: CallOptions = {}): Promise<HttpAnswer> {
    const path = this.resolve(location);
    return this.#call('PUT', `${path}${path.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`, options, { 'Content-Length': 0 });
  }

  uploadStatus(location: string): Promise<HttpAnswer> {
    return this.get(this.resolve(location));
  }

  cancelUpload(location: string): Promise<HttpAnswer> {
    return this.send({ method: 'DELETE', path: this.resolve(location) });
  }

  getManifest(repository: string, reference: string, headers?: OutgoingHttpHeaders): Promise<HttpAnswer> {
    return this.get(manifestPath(repository, reference), headers);
  }

  headManifest(repository: string, reference: string, headers?: OutgoingHttpHeaders): Promise<HttpAnswer> {
    return this.head(manifestPath(repository, reference), headers);
  }

  putManifest(repository: string, reference: string, bytes: RequestBody, mediaType: string | undefined, options: CallOptions = {}): Promise<HttpAnswer> {
    const headers = { ...(mediaType === undefined ? {} : { 'Content-Type': mediaType }), ...options.headers };
    return this.#call('PUT', manifestPath(repository, reference), { ...options, headers, body: bytes });
  }

  deleteManifest(repository: string, reference: string): Promise<HttpAnswer> {
    return this.send({ method: 'DELETE', path: manifestPath(repository, reference) });
  }

  listTags(repository: string, query = ''): Promise<HttpAnswer> {
    return this.get(`/v2/${repository}/tags/list${query}`);
  }

  listReferrers(repository: string, digest: string, query = ''): Promise<HttpAnswer> {
    return this.get(`/v2/${repository}/referrers/${digest}${query}`);
  }

  listRepositories(query = ''): Promise<HttpAnswer> {
    return this.get(`/v2/_catalog${query}`);
  }

  discoverExtensions(repository?: string): Promise<HttpAnswer> {
    return this.get(repository === undefined ? '/v2/_oci/ext/discover' : `/v2/${repository}/_oci/ext/discover`);
  }

  /** Path and query of a `Location`, whether it is absolute or not (G13). */
  resolve(location: string): string {
    const url = new URL(location, this.origin);
    return `${url.pathname}${url.search}`;
  }

  /** Ends the idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  #call(method: string, path: string, options: CallOptions, whenEmpty: OutgoingHttpHeaders = {}): Promise<HttpAnswer> {
    const headers: OutgoingHttpHeaders = { ...(options.body === undefined ? whenEmpty : {}), ...options.headers };
    if ((Buffer.isBuffer(options.body) || typeof options.body === 'string') && !('Content-Length' in headers)) headers['Content-Length'] = Buffer.byteLength(options.body);
    return this.send({ method, path: `${path}${options.query ?? ''}`, headers, body: options.body });
  }
}

export function blobPath(repository: string, digest: string): string {
  return `/v2/${repository}/blobs/${digest}`;
}

export function uploadsPath(repository: string): string {
  return `/v2/${repository}/blobs/uploads/`;
}

export function manifestPath(repository: string, reference: string): string {
  return `/v2/${repository}/manifests/${reference}`;
}
