import { formatRequest, linkHeader, OCI_IMAGE_INDEX } from '@waybill/oci';
import type { QueryParameters, RequestOf } from '@waybill/oci';
import type { Exchange, Handlers } from '@waybill/platform';
import type { Listings, Page } from './listings.js';

/** Entries on a page: without `n`, and with a larger `n` (which is clamped, wire-protocol Appendix C 0). */
export interface PageLimits {
  readonly tags: { readonly default: number; readonly max: number };
  readonly catalog: { readonly default: number; readonly max: number };
  readonly referrers: { readonly default: number; readonly max: number };
}

type ListingKind = 'listTags' | 'listReferrers' | 'listRepositories' | 'discoverExtensions';

/** The lists of wire-protocol section 1, and the discovery of extensions. */
export class ListingRoutes {
  constructor(private readonly listings: Listings, private readonly limits: PageLimits) {}

  handlers(): Pick<Handlers, ListingKind> {
    return {
      listTags: (request, exchange) => this.tags(request, exchange),
      listReferrers: (request, exchange) => this.referrers(request, exchange),
      listRepositories: (request, exchange) => this.repositories(request, exchange),
      discoverExtensions: (request, exchange) => discover(request, exchange),
    };
  }

  private async tags(request: RequestOf<'listTags'>, exchange: Exchange): Promise<void> {
    const limit = clamp(request.n, this.limits.tags);
    const page = await this.listings.tags(request.repository, limit, request.last);
    // names need no escaping: their grammar has neither quotes nor backslashes
    reply(exchange, 'application/json', `{"name":"${request.repository}","tags":${quotedList(page)}}`, next(request, page, { n: request.n }));
  }

  private async repositories(request: RequestOf<'listRepositories'>, exchange: Exchange): Promise<void> {
    const page = await this.listings.repositories(clamp(request.n, this.limits.catalog), request.last);
    reply(exchange, 'application/json', `{"repositories":${quotedList(page)}}`, next(request, page, { n: request.n }));
  }

  private async referrers(request: RequestOf<'listReferrers'>, exchange: Exchange): Promise<void> {
    const { artifactTypes } = request;
    const page = await this.listings.referrers(request.repository, request.digest, artifactTypes, clamp(request.n, this.limits.referrers), request.last);
    const headers = next(request, page, { n: request.n, artifactType: artifactTypes });
    if (artifactTypes.length > 0) headers.push('OCI-Filters-Applied', 'artifactType');
    reply(exchange, OCI_IMAGE_INDEX, `{"schemaVersion":2,"mediaType":"${OCI_IMAGE_INDEX}","manifests":[${page.items.join(',')}]}`, headers);
  }
}

function discover(request: RequestOf<'discoverExtensions'>, exchange: Exchange): void {
  const self = formatRequest(request).url;
  const extensions = [{ name: '_oci', url: self, description: 'Lists the extensions of this registry', endpoints: [self] }];
  reply(exchange, 'application/json', JSON.stringify({ extensions }), []);
}

function clamp(n: number | undefined, limit: { readonly default: number; readonly max: number }): number {
  return Math.min(n ?? limit.default, limit.max);
}

/** `Link` to what follows; a page of nothing is the end, whatever follows (wire-protocol L1: `n=0` has no Link). */
function next(request: RequestOf<ListingKind>, page: Page<string>, parameters: QueryParameters): string[] {
  if (page.last === undefined) return [];
  const path = formatRequest(request).url.split('?')[0] ?? '';
  return ['Link', linkHeader(path, { ...parameters, last: page.last })];
}

function quotedList(page: Page<string>): string {
  return page.items.length === 0 ? '[]' : `["${page.items.join('","')}"]`;
}

function reply(exchange: Exchange, contentType: string, body: string, headers: readonly string[]): void {
  exchange.reply(200, ['Content-Type', contentType, ...headers], body);
}
