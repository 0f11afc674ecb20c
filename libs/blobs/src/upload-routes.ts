import { digestAlgorithm, EMPTY_DIGESTS, parseContentRange, sizeInvalid } from '@waybill/oci';
import type { ByteRange, Digest, DigestAlgorithm, RepositoryName, RequestOf } from '@waybill/oci';
import { hasBody } from '@waybill/platform';
import type { Exchange, Handlers } from '@waybill/platform';
import { blobLocation } from './blob-routes.js';
import type { BlobRoutes } from './blob-routes.js';
import { announcedLength } from './transfer.js';
import { outOfRange, uploadHeaders } from './upload-headers.js';
import type { UploadOwner } from './upload-id.js';
import type { UploadProgress, Uploads } from './uploads.js';

type UploadKind = 'startUpload' | 'uploadBlob' | 'mountBlob' | 'getUpload' | 'appendUpload' | 'completeUpload' | 'cancelUpload';

/** The upload endpoints of wire-protocol section 1. */
export class UploadRoutes {
  constructor(private readonly uploads: Uploads, private readonly blobs: BlobRoutes) {}

  handlers(): Pick<Handlers, UploadKind> {
    return {
      startUpload: (request, exchange) => this.start(request.repository, request.algorithm ?? 'sha256', exchange),
      uploadBlob: (request, exchange) => this.upload(request, exchange),
      mountBlob: (request, exchange) => this.mount(request, exchange),
      getUpload: (request, exchange) => this.status(request, exchange),
      appendUpload: (request, exchange) => this.append(request, exchange),
      completeUpload: (request, exchange) => this.complete(request, exchange),
      cancelUpload: (request, exchange) => this.cancel(request, exchange),
    };
  }

  private async start(repository: RepositoryName, algorithm: DigestAlgorithm, exchange: Exchange): Promise<void> {
    replyProgress(exchange, 202, { owner: await this.uploads.start(repository, exchange.principal, algorithm), size: 0 });
  }

  /** A POST that only names the digest, without its bytes, announces an upload; zero bytes are the whole blob where the digest says so. */
  private async upload(request: RequestOf<'uploadBlob'>, exchange: Exchange): Promise<void> {
    const { repository, digest } = request;
    if (!hasBody(exchange.request) && !isEmptyDigest(digest)) return this.start(repository, digestAlgorithm(digest), exchange);
    const owner = await this.uploads.start(repository, exchange.principal, digestAlgorithm(digest));
    await this.uploads.complete(owner, digest, exchange.request, undefined, exchange.eventMeta(repository));
    replyCreated(exchange, repository, digest);
  }

  private async mount(request: RequestOf<'mountBlob'>, exchange: Exchange): Promise<void> {
    if (await this.blobs.mount(request.repository, request.digest, request.from, exchange)) replyCreated(exchange, request.repository, request.digest);
    else await this.start(request.repository, digestAlgorithm(request.digest), exchange);
  }

  private async status(request: RequestOf<'getUpload'>, exchange: Exchange): Promise<void> {
    replyProgress(exchange, 204, await this.uploads.status(this.owner(request, exchange)));
  }

  private async append(request: RequestOf<'appendUpload'>, exchange: Exchange): Promise<void> {
    const owner = this.owner(request, exchange);
    const range = await this.contentRange(owner, exchange);
    replyProgress(exchange, 202, await this.uploads.append(owner, exchange.request, range));
  }

  private async complete(request: RequestOf<'completeUpload'>, exchange: Exchange): Promise<void> {
    const owner = this.owner(request, exchange);
    const range = await this.contentRange(owner, exchange);
    await this.uploads.complete(owner, request.digest, exchange.request, range, exchange.eventMeta(request.repository));
    replyCreated(exchange, request.repository, request.digest);
  }

  private async cancel(request: RequestOf<'cancelUpload'>, exchange: Exchange): Promise<void> {
    await this.uploads.cancel(this.owner(request, exchange));
    exchange.reply(204, []);
  }

  private owner(request: { readonly upload: string; readonly repository: RepositoryName }, exchange: Exchange): UploadOwner {
    return this.uploads.open(request.upload, request.repository, exchange.principal);
  }

  /** @throws OciError BLOB_UPLOAD_INVALID (416) for a malformed range, SIZE_INVALID where the announced length is another; no byte is read */
  private async contentRange(owner: UploadOwner, exchange: Exchange): Promise<ByteRange | undefined> {
    const header = exchange.request.headers['content-range'];
    if (header === undefined) return undefined;
    const range = parseContentRange(header);
    if (range === undefined) {
      const { size } = await this.uploads.status(owner);
      throw outOfRange(owner, size, `the Content-Range ${JSON.stringify(header.slice(0, 64))} is malformed: send <first byte>-<last byte>`);
    }
    const announced = announcedLength(exchange.request);
    if (announced !== undefined && announced !== range.end - range.start + 1) {
      // the place of the chunk is looked at first: a chunk out of order is answered 416, whatever else is wrong with it
      const { size } = await this.uploads.status(owner);
      if (range.start !== size) throw outOfRange(owner, size, `the chunk begins at byte ${range.start}, the upload stands at byte ${size}`);
      throw sizeInvalid(`Content-Range announces ${range.end - range.start + 1} bytes, Content-Length ${announced}`);
    }
    return range;
  }
}

function isEmptyDigest(digest: Digest): boolean {
  return digest === EMPTY_DIGESTS.sha256 || digest === EMPTY_DIGESTS.sha512;
}

function replyProgress(exchange: Exchange, status: 202 | 204, { owner, size }: UploadProgress): void {
  exchange.reply(status, Object.entries(uploadHeaders(owner, size)).flat());
}

function replyCreated(exchange: Exchange, repository: RepositoryName, digest: Digest): void {
  exchange.reply(201, ['Location', blobLocation(repository, digest), 'Docker-Content-Digest', digest]);
}
