import { parseDigest, parseDigestAlgorithm } from './digest.js';
import type { Digest, DigestAlgorithm } from './digest.js';
import { quoted, unsupported, uploadUnknown } from './errors.js';
import { Query, formatQuery } from './query.js';
import { parseReference, parseTag } from './reference.js';
import type { Reference, Tag } from './reference.js';
import { isRepositoryName, parseRepositoryName } from './repository-name.js';
import type { RepositoryName } from './repository-name.js';
import { locate } from './request-path.js';
import type { Endpoint, RequestPath } from './request-path.js';

/** Any `/v2/` request, parsed. The comment on each kind is the spec's endpoint id (wire-protocol section 1). */
export type OciRequest =
  | { readonly kind: 'ping' } // end-1, GET and HEAD
  | { readonly kind: 'getBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-2
  | { readonly kind: 'headBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-2
  | { readonly kind: 'deleteBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-10
  | { readonly kind: 'startUpload'; readonly repository: RepositoryName; readonly algorithm?: DigestAlgorithm } // end-4a, end-4c
  | { readonly kind: 'uploadBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-4b
  | { readonly kind: 'mountBlob'; readonly repository: RepositoryName; readonly digest: Digest; readonly from?: RepositoryName } // end-11
  | { readonly kind: 'getUpload'; readonly repository: RepositoryName; readonly upload: string } // end-13, GET and HEAD
  | { readonly kind: 'appendUpload'; readonly repository: RepositoryName; readonly upload: string } // end-5
  | { readonly kind: 'completeUpload'; readonly repository: RepositoryName; readonly upload: string; readonly digest: Digest } // end-6
  | { readonly kind: 'cancelUpload'; readonly repository: RepositoryName; readonly upload: string } // end-14
  | { readonly kind: 'getManifest'; readonly repository: RepositoryName; readonly reference: Reference } // end-3
  | { readonly kind: 'headManifest'; readonly repository: RepositoryName; readonly reference: Reference } // end-3
  | { readonly kind: 'putManifest'; readonly repository: RepositoryName; readonly reference: Reference; readonly tags: readonly Tag[] } // end-7a, end-7b
  | { readonly kind: 'deleteManifest'; readonly repository: RepositoryName; readonly reference: Reference } // end-9
  | { readonly kind: 'listTags'; readonly repository: RepositoryName; readonly n?: number; readonly last?: string } // end-8a, end-8b
  | {
      readonly kind: 'listReferrers'; // end-12a, end-12b
      readonly repository: RepositoryName;
      readonly digest: Digest;
      /** Any of these; none asks for all. Different and not empty. */
      readonly artifactTypes: readonly string[];
      readonly n?: number;
      readonly last?: string;
    }
  | { readonly kind: 'listRepositories'; readonly n?: number; readonly last?: string } // _catalog
  | { readonly kind: 'discoverExtensions'; readonly repository?: RepositoryName }; // extensions/_oci.md

export type RequestKind = OciRequest['kind'];
export type RequestOf<K extends RequestKind> = Extract<OciRequest, { kind: K }>;

/** The `tag` and `artifactType` parameters may each occur this often; beyond it a request is answered 414. */
export const MAX_REPEATED_PARAMETERS = 100;
/** Characters that the `artifactType` parameters of a request may have in all, percent-encoded: the `Link` to the next page repeats them. Beyond it 414. */
export const MAX_ARTIFACT_TYPES_LENGTH = 8192;

const UPLOAD_KINDS: ReadonlyMap<string, 'getUpload' | 'appendUpload' | 'completeUpload' | 'cancelUpload'> = new Map([
  ['GET', 'getUpload'],
  ['HEAD', 'getUpload'],
  ['PATCH', 'appendUpload'],
  ['PUT', 'completeUpload'],
  ['DELETE', 'cancelUpload'],
] as const);

const UPLOAD_ID = /^[A-Za-z0-9_-]{16,128}$/;

/** What each path can do, for the `Allow` header of a 405. */
const ALLOW: Readonly<Record<Endpoint, string>> = {
  base: 'GET, HEAD',
  blob: 'GET, HEAD, DELETE',
  uploads: 'POST',
  upload: 'GET, HEAD, PATCH, PUT, DELETE',
  manifest: 'GET, HEAD, PUT, DELETE',
  tags: 'GET',
  referrers: 'GET',
  catalog: 'GET',
  extensions: 'GET',
};

/**
 * Reads the method and the raw request target (path and query, never decoded before) of a `/v2/` request. Unknown query parameters are
 * ignored; of a repeated one the first counts, except `tag` and `artifactType`.
 *
 * Throws OciError, and nothing else: UNSUPPORTED 404 for a path outside the grammar, 405 with `Allow` for a method that the path does not
 * have, 400 for a bad `n`, 414 for too many `tag`s or too much `artifactType`; NAME_INVALID and DIGEST_INVALID 400; MANIFEST_INVALID 400 for a bad tag;
 * BLOB_UPLOAD_UNKNOWN 404 for an upload id that this registry never gave out.
 */
export function parseRequest(method: string, url: string): OciRequest {
  const mark = url.indexOf('?');
  const path = locate(mark === -1 ? url : url.slice(0, mark));
  if (path === undefined) throw unsupported(`there is no endpoint at ${quoted(url)}`, 404);
  const query = mark === -1 ? Query.NONE : new Query(url.slice(mark + 1));
  switch (path.endpoint) {
    case 'manifest': return manifestRequest(method, path, query);
    case 'blob': return blobRequest(method, path);
    case 'uploads': return newUploadRequest(method, path, query);
    case 'upload': return uploadRequest(method, path, query);
    case 'tags':
    case 'referrers':
    case 'catalog': return listRequest(method, path, query);
    case 'base':
      if (method === 'GET' || method === 'HEAD') return { kind: 'ping' };
      throw wrongMethod(method, 'base');
    case 'extensions':
      if (method !== 'GET') throw wrongMethod(method, 'extensions');
      return path.name === undefined ? { kind: 'discoverExtensions' } : { kind: 'discoverExtensions', repository: parseRepositoryName(path.name) };
  }
}

function manifestRequest(method: string, path: RequestPath, query: Query): OciRequest {
  const kind =
    method === 'GET' ? 'getManifest' : method === 'HEAD' ? 'headManifest' : method === 'PUT' ? 'putManifest' : method === 'DELETE' ? 'deleteManifest' : undefined;
  if (kind === undefined) throw wrongMethod(method, 'manifest');
  const repository = parseRepositoryName(path.name ?? '');
  const reference = parseReference(decodeColon(path.last));
  if (kind !== 'putManifest') return { kind, repository, reference };
  return { kind, repository, reference, tags: repeated(query, 'tag').map(parseTag) };
}

function blobRequest(method: string, path: RequestPath): OciRequest {
  const kind = method === 'GET' ? 'getBlob' : method === 'HEAD' ? 'headBlob' : method === 'DELETE' ? 'deleteBlob' : undefined;
  if (kind === undefined) throw wrongMethod(method, 'blob');
  return { kind, repository: parseRepositoryName(path.name ?? ''), digest: parseDigest(decodeColon(path.last)) };
}

function newUploadRequest(method: string, path: RequestPath, query: Query): OciRequest {
  if (method !== 'POST') throw wrongMethod(method, 'uploads');
  const repository = parseRepositoryName(path.name ?? '');
  const algorithm = query.first('digest-algorithm');
  const start: OciRequest =
    algorithm === undefined ? { kind: 'startUpload', repository } : { kind: 'startUpload', repository, algorithm: parseDigestAlgorithm(algorithm) };
  const mount = query.first('mount');
  if (mount !== undefined) {
    const digest = parseDigest(mount);
    const from = query.first('from');
    if (from === undefined || from === '') return { kind: 'mountBlob', repository, digest };
    // A mount that cannot be done opens a session (row 11, Appendix C 5), and from a name that no repository can have it cannot be done.
    return isRepositoryName(from) ? { kind: 'mountBlob', repository, digest, from } : start;
  }
  const digest = query.first('digest');
  return digest === undefined ? start : { kind: 'uploadBlob', repository, digest: parseDigest(digest) };
}

function uploadRequest(method: string, path: RequestPath, query: Query): OciRequest {
  const kind = UPLOAD_KINDS.get(method);
  if (kind === undefined) throw wrongMethod(method, 'upload');
  const repository = parseRepositoryName(path.name ?? '');
  const upload = path.last;
  if (!UPLOAD_ID.test(upload)) throw uploadUnknown();
  if (kind !== 'completeUpload') return { kind, repository, upload };
  return { kind, repository, upload, digest: parseDigest(query.first('digest') ?? '') };
}

function listRequest(method: string, path: RequestPath, query: Query): OciRequest {
  if (method !== 'GET') throw wrongMethod(method, path.endpoint);
  const page = { n: pageSize(query.first('n')), last: withoutNul('last', query.first('last')) };
  if (path.endpoint === 'catalog') return { kind: 'listRepositories', ...page };
  const repository = parseRepositoryName(path.name ?? '');
  if (path.endpoint === 'tags') return { kind: 'listTags', repository, ...page };
  const digest = parseDigest(decodeColon(path.last));
  const artifactTypes = repeated(query, 'artifactType');
  for (const artifactType of artifactTypes) withoutNul('artifactType', artifactType);
  // as they came they may be a third as long: a client may leave unencoded what a Link must not have
  if (formatQuery({ artifactType: artifactTypes }).length > MAX_ARTIFACT_TYPES_LENGTH) throw unsupported(`the query parameters artifactType have more than ${MAX_ARTIFACT_TYPES_LENGTH} characters in all; send fewer at once`, 414);
  return { kind: 'listReferrers', repository, digest, artifactTypes, ...page };
}

/** A digest in a path may have its colon percent-encoded (wire-protocol G3); every other encoding stays and fails the grammar. */
function decodeColon(segment: string): string {
  return segment.includes('%') ? segment.replace(/%3a/i, ':') : segment;
}

function repeated(query: Query, name: 'tag' | 'artifactType'): readonly string[] {
  const values = query.all(name, MAX_REPEATED_PARAMETERS);
  if (values === undefined) throw unsupported(`the query parameter ${name} occurs more than ${MAX_REPEATED_PARAMETERS} times; send fewer at once`, 414);
  return values;
}

/** A safe integer, 0 or more; what is larger becomes the largest one, and the handler clamps it to its own maximum. */
function pageSize(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-9]+$/.test(text)) throw unsupported(`the query parameter n is ${quoted(text)}: expected an integer, 0 or more`, 400);
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER);
}

/** No name, tag or media type holds U+0000, and a database refuses it in any text. */
function withoutNul(name: string, value: string | undefined): string | undefined {
  if (value?.includes('\0')) throw unsupported(`the query parameter ${name} holds U+0000`, 400);
  return value;
}

function wrongMethod(method: string, endpoint: Endpoint): Error {
  return unsupported(`${quoted(method)} is not a method of this path: use ${ALLOW[endpoint]}`, 405, { Allow: ALLOW[endpoint] });
}

/** The inverse of parseRequest, in canonical form: digests unencoded in paths, GET where HEAD is the same kind, no parameter that the kind does not carry. */
export function formatRequest(request: OciRequest): { readonly method: string; readonly url: string } {
  const base = 'repository' in request && request.repository !== undefined ? `/v2/${request.repository}` : '/v2';
  switch (request.kind) {
    case 'ping': return { method: 'GET', url: '/v2/' };
    case 'getBlob': return { method: 'GET', url: `${base}/blobs/${request.digest}` };
    case 'headBlob': return { method: 'HEAD', url: `${base}/blobs/${request.digest}` };
    case 'deleteBlob': return { method: 'DELETE', url: `${base}/blobs/${request.digest}` };
    case 'startUpload': return { method: 'POST', url: `${base}/blobs/uploads/${formatQuery({ 'digest-algorithm': request.algorithm })}` };
    case 'uploadBlob': return { method: 'POST', url: `${base}/blobs/uploads/${formatQuery({ digest: request.digest })}` };
    case 'mountBlob': return { method: 'POST', url: `${base}/blobs/uploads/${formatQuery({ mount: request.digest, from: request.from })}` };
    case 'getUpload': return { method: 'GET', url: `${base}/blobs/uploads/${request.upload}` };
    case 'appendUpload': return { method: 'PATCH', url: `${base}/blobs/uploads/${request.upload}` };
    case 'completeUpload': return { method: 'PUT', url: `${base}/blobs/uploads/${request.upload}${formatQuery({ digest: request.digest })}` };
    case 'cancelUpload': return { method: 'DELETE', url: `${base}/blobs/uploads/${request.upload}` };
    case 'getManifest': return { method: 'GET', url: `${base}/manifests/${request.reference}` };
    case 'headManifest': return { method: 'HEAD', url: `${base}/manifests/${request.reference}` };
    case 'putManifest': return { method: 'PUT', url: `${base}/manifests/${request.reference}${formatQuery({ tag: request.tags })}` };
    case 'deleteManifest': return { method: 'DELETE', url: `${base}/manifests/${request.reference}` };
    case 'listTags': return { method: 'GET', url: `${base}/tags/list${formatQuery({ n: request.n, last: request.last })}` };
    case 'listReferrers':
      return { method: 'GET', url: `${base}/referrers/${request.digest}${formatQuery({ artifactType: request.artifactTypes, n: request.n, last: request.last })}` };
    case 'listRepositories': return { method: 'GET', url: `/v2/_catalog${formatQuery({ n: request.n, last: request.last })}` };
    case 'discoverExtensions': return { method: 'GET', url: `${base}/_oci/ext/discover` };
  }
}
