import type { Digest } from './digest.js';
import type { RepositoryName } from './repository-name.js';
import type { Reference, Tag } from './reference.js';

/** Any `/v2/` request, parsed. The comment on each kind is the spec's endpoint id (wire-protocol section 1). */
export type OciRequest =
  | { readonly kind: 'ping' } // end-1, GET and HEAD
  | { readonly kind: 'getBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-2
  | { readonly kind: 'headBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-2
  | { readonly kind: 'deleteBlob'; readonly repository: RepositoryName; readonly digest: Digest } // end-10
  | { readonly kind: 'startUpload'; readonly repository: RepositoryName; readonly algorithm?: string } // end-4a, end-4c
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
  | { readonly kind: 'listReferrers'; readonly repository: RepositoryName; readonly digest: Digest; readonly artifactTypes: readonly string[]; readonly n?: number; readonly last?: string } // end-12a, end-12b
  | { readonly kind: 'listRepositories'; readonly n?: number; readonly last?: string } // _catalog
  | { readonly kind: 'discoverExtensions'; readonly repository?: RepositoryName }; // extensions/_oci.md

export type RequestKind = OciRequest['kind'];
export type RequestOf<K extends RequestKind> = Extract<OciRequest, { kind: K }>;
