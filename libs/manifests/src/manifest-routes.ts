import { formatRequest, isDigest, isDigestReference, manifestInvalid, manifestTooLarge } from '@waybill/oci';
import type { RequestOf } from '@waybill/oci';
import { isNotModified, withBody } from '@waybill/platform';
import type { Exchange, Handlers } from '@waybill/platform';
import { parsePush } from './manifest-push.js';
import type { Expectation, ManifestRow } from './manifest-table.js';
import type { Manifests } from './manifests.js';

/** The manifest endpoints of wire-protocol section 1. What `Accept` says is not looked at: a manifest has one form, the stored one (M13). */
export class ManifestRoutes {
  /** @param sizeLimit bytes of a manifest at most; held while it is read, whatever Content-Length says */
  constructor(private readonly manifests: Manifests, private readonly sizeLimit: number) {}

  handlers(): Pick<Handlers, 'getManifest' | 'headManifest' | 'putManifest' | 'deleteManifest'> {
    return {
      getManifest: (request, exchange) => this.get(request, exchange),
      headManifest: (request, exchange) => this.head(request, exchange),
      putManifest: (request, exchange) => this.put(request, exchange),
      deleteManifest: (request, exchange) => this.delete(request, exchange),
    };
  }

  private async get(request: RequestOf<'getManifest'>, exchange: Exchange): Promise<void> {
    const row = await this.manifests.find(request.repository, request.reference);
    if (isNotModified(exchange.request, row.digest)) return exchange.reply(304, headers(row));
    const content = this.manifests.content(row.digest);
    exchange.reply(200, headers(row), content instanceof Buffer ? content : await content);
  }

  private async head(request: RequestOf<'headManifest'>, exchange: Exchange): Promise<void> {
    const row = await this.manifests.find(request.repository, request.reference);
    if (isNotModified(exchange.request, row.digest)) return exchange.reply(304, headers(row));
    exchange.reply(200, [...headers(row), 'Content-Length', String(row.size)]);
  }

  private put(request: RequestOf<'putManifest'>, exchange: Exchange): Promise<void> {
    return withBody(exchange.request, this.sizeLimit, () => manifestTooLarge(this.sizeLimit), (bytes) => this.push(request, bytes, exchange));
  }

  private async push({ repository, reference, tags }: RequestOf<'putManifest'>, bytes: Buffer, exchange: Exchange): Promise<void> {
    const push = parsePush(bytes, exchange.request.headers['content-type'], reference, tags);
    await this.manifests.push(repository, push, expectation(exchange), exchange.conditions.fixedTags, exchange.eventMeta(repository));
    const reply = ['Location', formatRequest({ kind: 'getManifest', repository, reference: push.digest }).url, 'Docker-Content-Digest', push.digest];
    if (push.subject !== undefined) reply.push('OCI-Subject', push.subject);
    if (tags.length > 0) reply.push('OCI-Tag', tags.join(', '));
    exchange.reply(201, reply);
  }

  private async delete(request: RequestOf<'deleteManifest'>, exchange: Exchange): Promise<void> {
    const { repository, reference } = request;
    const meta = exchange.eventMeta(repository);
    if (isDigestReference(reference)) await this.manifests.delete(repository, reference, meta);
    else await this.manifests.deleteTag(repository, reference, meta);
    exchange.reply(202, []);
  }
}

function headers(row: ManifestRow): string[] {
  return ['Content-Type', row.mediaType, 'Docker-Content-Digest', row.digest, 'ETag', `"${row.digest}"`];
}

/** The precondition of a push by tag (wire-protocol M14). @throws OciError MANIFEST_INVALID (400) for one that names several digests or none */
function expectation(exchange: Exchange): Expectation {
  const { 'if-match': match, 'if-none-match': noneMatch } = exchange.request.headers;
  if (noneMatch?.trim() === '*') return '';
  if (match === undefined) return undefined;
  const digest = match.trim().replace(/^"(.*)"$/, '$1');
  if (digest === '*' || isDigest(digest)) return digest;
  throw manifestInvalid('If-Match has to be * or one digest');
}
