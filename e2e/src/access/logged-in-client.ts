import { RegistryClient, type HttpAnswer, type HttpRequest } from '@waybill/testing';
import { TokenClient } from './token-client.js';

/** Seconds before its end that a token is not used any more. */
const EARLY = 60;

/** A client that logs in: it brings a token for the repository of each request, and keeps it for as long as the token service says. */
export class LoggedInClient extends RegistryClient {
  readonly #tokens: TokenClient;
  readonly #held = new Map<string, { readonly headers: Promise<{ readonly Authorization: string }>; readonly until: number }>();

  constructor(baseUrl: string, private readonly login: readonly [string, string]) {
    super(baseUrl);
    this.#tokens = new TokenClient(baseUrl);
  }

  override async send(request: HttpRequest): Promise<HttpAnswer> {
    const name = /^\/v2\/(.+?)\/(?:blobs|manifests|tags|referrers)\//.exec(request.path)?.[1];
    return super.send({ ...request, headers: { ...request.headers, ...(await this.#headers(name)) } });
  }

  #headers(name: string | undefined): Promise<{ readonly Authorization: string }> {
    const scope = name === undefined ? 'registry:catalog:*' : `repository:${name}:pull,push,delete`;
    const held = this.#held.get(scope);
    if (held !== undefined && held.until > performance.now()) return held.headers;
    const headers = this.#tokens.bearer(this.login, scope);
    this.#held.set(scope, { headers, until: performance.now() + (300 - EARLY) * 1000 });
    // one that failed is asked for again
    headers.catch(() => this.#held.delete(scope));
    return headers;
  }
}
