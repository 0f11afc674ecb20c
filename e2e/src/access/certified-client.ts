import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { Issued } from '@waybill/platform/testing';

export interface CertifiedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A client of a registry that speaks TLS, on a new connection for each request: with a certificate of its own or without. */
export class CertifiedClient {
  /** @param caFile of the authority of the registry */
  constructor(private readonly baseUrl: string, private readonly caFile: string, private readonly identity?: Issued) {}

  /** The same registry, as somebody else. */
  as(identity: Issued | undefined): CertifiedClient {
    return new CertifiedClient(this.baseUrl, this.caFile, identity);
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<CertifiedAnswer> {
    return this.send('GET', path, headers);
  }

  /** `GET /token` for the service of the registry. */
  async token(scopes: readonly string[] = [], headers: Readonly<Record<string, string>> = {}): Promise<CertifiedAnswer & { readonly body: Readonly<Record<string, unknown>> }> {
    const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join('');
    const answer = await this.get(`/token?service=${new URL(this.baseUrl).host}&offline_token=true${query}`, headers);
    return { ...answer, body: JSON.parse(answer.text) };
  }

  send(method: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<CertifiedAnswer> {
    const identity = this.identity === undefined ? {} : { cert: readFileSync(this.identity.certFile), key: readFileSync(this.identity.keyFile) };
    return new Promise((resolve, reject) => {
      request(`${this.baseUrl}${path}`, { method, headers, ca: readFileSync(this.caFile), agent: false, ...identity }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => (text += chunk)).on('error', reject);
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }));
      }).on('error', reject).end();
    });
  }
}
