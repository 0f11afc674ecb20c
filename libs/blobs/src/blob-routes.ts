import type { ServerResponse } from 'node:http';
import { formatRequest, parseRange, rangeUnsatisfiable, unsupported } from '@waybill/oci';
import type { Digest, RepositoryName, RequestOf } from '@waybill/oci';
import { isNotModified } from '@waybill/platform';
import type { Exchange, Handlers } from '@waybill/platform';
import type { BlobLink, BlobLinks } from './blob-links.js';
import type { BlobReads } from './blob-reads.js';
import { rangeReply, sendRanges } from './blob-ranges.js';
import type { MustExist } from './uploads.js';

export interface BlobRouteOptions {
  readonly mustExist: MustExist;
  /** Seconds that a presigned URL lives to which GETs are redirected; 0: the bytes come from here. */
  readonly redirectSeconds: number;
}

/** The blob endpoints of wire-protocol section 1, uploads apart. */
export class BlobRoutes {
  constructor(private readonly links: BlobLinks, private readonly reads: BlobReads, private readonly options: BlobRouteOptions) {}

  handlers(): Pick<Handlers, 'getBlob' | 'headBlob' | 'deleteBlob'> {
    return {
      getBlob: (request, exchange) => this.get(request, exchange),
      headBlob: (request, exchange) => this.head(request, exchange),
      deleteBlob: (request, exchange) => this.delete(request, exchange),
    };
  }

  /** end-11. False: open an upload instead. Nothing is mounted from where the caller may not read: a digest alone opens no blob (Appendix C 2). */
  async mount(repository: RepositoryName, digest: Digest, from: RepositoryName | undefined, exchange: Exchange): Promise<boolean> {
    const { pulls } = exchange.conditions;
    const link = (source: RepositoryName | undefined): Promise<boolean> => this.links.mount(repository, this.options.mustExist(repository), digest, source, exchange.eventMeta(repository));
    if (pulls === undefined) return link(from);
    const readable = from === undefined ? await this.links.findAmong(pulls, digest) : from;
    return readable !== undefined && pulls.includes(readable) && link(readable);
  }

  private async get(request: RequestOf<'getBlob'>, exchange: Exchange): Promise<void> {
    const link = await this.links.get(request.repository, request.digest);
    if (isNotModified(exchange.request, link.digest)) return exchange.reply(304, identity(link));
    const range = parseRange(requestedRange(exchange, link), link.size);
    if (range.kind === 'unsatisfiable') throw rangeUnsatisfiable(link.size);
    const small = range.kind === 'whole' ? this.reads.small(link) : undefined;
    if (small !== undefined) return exchange.reply(200, headers(link), small instanceof Buffer ? small : await small);
    if (this.options.redirectSeconds > 0) {
      const url = await this.reads.presign(link, this.options.redirectSeconds);
      if (url !== undefined) return exchange.reply(307, ['Location', url, 'Docker-Content-Digest', link.digest, 'Cache-Control', 'no-store']);
    }
    const reply = rangeReply(link, range);
    // with its first byte: a storage that has none to give is answered like any other failure
    let begun: ServerResponse | undefined;
    const begin = (): ServerResponse => (begun ??= exchange.begin(reply.status, [...headers(link, reply.contentType), ...reply.headers], reply.length));
    await sendRanges(reply, (part) => this.reads.send(link, part, exchange.response, begin), begin);
    begin().end();
  }

  private async head(request: RequestOf<'headBlob'>, exchange: Exchange): Promise<void> {
    const link = await this.links.head(request.repository, request.digest);
    if (isNotModified(exchange.request, link.digest)) return exchange.reply(304, identity(link));
    exchange.reply(200, [...headers(link), 'Content-Length', String(link.size)]);
  }

  private async delete(request: RequestOf<'deleteBlob'>, exchange: Exchange): Promise<void> {
    const outcome = await this.links.unlink(request.repository, request.digest, exchange.eventMeta(request.repository));
    if (outcome === 'in_use') {
      throw unsupported(`the blob ${request.digest} is used by a manifest of this repository: delete the manifest first`, 405, { Allow: 'GET, HEAD' });
    }
    exchange.reply(202, []);
  }
}

/** `Location` of a blob that is there now. */
export function blobLocation(repository: RepositoryName, digest: Digest): string {
  return formatRequest({ kind: 'getBlob', repository, digest }).url;
}

/** `If-Range` of other content than this: the parts that the client has do not fit, it needs the whole (RFC 9110 section 13.1.5). */
function requestedRange({ request }: Exchange, link: BlobLink): string | undefined {
  const condition = request.headers['if-range'];
  return condition === undefined || condition === `"${link.digest}"` ? request.headers.range : undefined;
}

function identity(link: BlobLink): string[] {
  return ['Docker-Content-Digest', link.digest, 'ETag', `"${link.digest}"`, 'Cache-Control', 'private, max-age=31536000, immutable'];
}

/** A blob is bytes, whatever its descriptor calls it: it is never typed by what an uploader said (wire-protocol section 7 point 5). */
function headers(link: BlobLink, contentType = 'application/octet-stream'): string[] {
  return ['Content-Type', contentType, 'Accept-Ranges', 'bytes', 'Content-Disposition', 'attachment', ...identity(link)];
}
