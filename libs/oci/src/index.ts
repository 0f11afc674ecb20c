export { EMPTY_DIGESTS, digestAlgorithm, digestFrom, digestHex, isDigest, isDigestAlgorithm, parseDigest, parseDigestAlgorithm } from './digest.js';
export type { Digest, DigestAlgorithm } from './digest.js';
export { isRepositoryName, organisationOf, parseRepositoryName } from './repository-name.js';
export type { RepositoryName } from './repository-name.js';
export { isDigestReference, isTag, parseReference, parseTag } from './reference.js';
export type { Reference, Tag } from './reference.js';
export { DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST, essenceOf, isExternalLayer, isManifestMediaType } from './media-type.js';
export type { ManifestKind, ManifestMediaType } from './media-type.js';
export type { Descriptor, LayerDescriptor } from './descriptor.js';
export { MAX_MANIFEST_BYTES, parseManifest } from './manifest.js';
export type { ParsedManifest } from './manifest.js';
export { formatContentRange, formatUploadRange, parseContentRange, parseRange } from './range.js';
export type { BlobRange, ByteRange } from './range.js';
export { formatRequest, parseRequest } from './request.js';
export type { OciRequest, RequestKind, RequestOf } from './request.js';
export { formatScopes, MAX_SCOPE_LENGTH, MAX_SCOPES, parseScopes, requiredScopes } from './scope.js';
export type { Scope } from './scope.js';
export { parseStrictJson } from './strict-json.js';
export { linkHeader } from './pagination.js';
export type { QueryParameters } from './query.js';
export { DependencyUnavailable, OCI_ERRORS, OciError, RegistryError, StorageFull, errorBody } from './errors.js';
export type { OciErrorCode, OciErrorEntry, OciErrorOptions } from './errors.js';
export {
  blobUnknown,
  denied,
  digestInvalid,
  internalError,
  manifestBlobUnknown,
  manifestInvalid,
  manifestTooLarge,
  blobTooLarge,
  manifestUnknown,
  nameInvalid,
  nameUnknown,
  rangeInvalid,
  rangeUnsatisfiable,
  sizeInvalid,
  tooManyRequests,
  unauthorized,
  unsupported,
  uploadUnknown,
} from './errors.js';
