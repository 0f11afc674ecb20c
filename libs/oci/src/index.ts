export type { Digest } from './digest.js';
export type { RepositoryName } from './repository-name.js';
export type { Reference, Tag } from './reference.js';
export type { OciRequest, RequestKind, RequestOf } from './request.js';
export { DependencyUnavailable, OCI_ERRORS, OciError, RegistryError, StorageFull } from './errors.js';
export type { OciErrorCode, OciErrorEntry, OciErrorOptions } from './errors.js';
