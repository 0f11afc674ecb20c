import type { DigestAlgorithm } from './digests.js';

/** A descriptor as it stands in a manifest. */
export interface DescriptorFixture {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly [field: string]: unknown;
}

/** What a blob holds: text, bytes, a value to write as JSON, or that many random bytes. */
export type BlobSource =
  | string
  | Buffer
  | { readonly json: unknown; readonly algorithm?: DigestAlgorithm }
  | { readonly random: number; readonly algorithm?: DigestAlgorithm }
  | { readonly bytes: Buffer; readonly algorithm?: DigestAlgorithm };

/** A blob by nickname; with a media type or other descriptor fields where the default does not do, or a whole descriptor of content that is elsewhere. */
export type BlobReference<B extends string> = B | { readonly blob: B; readonly mediaType?: string; readonly [field: string]: unknown } | DescriptorFixture;

interface AnyManifestSpec<M extends string> {
  readonly subject?: M | DescriptorFixture;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The algorithm by which others refer to this manifest; sha256 unless given. */
  readonly algorithm?: DigestAlgorithm;
  /** Further top-level fields; they win over what the builder wrote, and `undefined` removes a field. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/** An image manifest. `docker` chooses docker schema 2. */
export interface ImageSpec<B extends string, M extends string> extends AnyManifestSpec<M> {
  readonly kind: 'image' | 'docker';
  readonly config: BlobReference<B>;
  readonly layers: readonly BlobReference<B>[];
}

/** An image index; `docker-list` is a docker manifest list. */
export interface IndexSpec<M extends string> extends AnyManifestSpec<M> {
  readonly kind: 'index' | 'docker-list';
  readonly manifests: readonly (M | { readonly manifest: M; readonly [field: string]: unknown } | DescriptorFixture)[];
}

export type ManifestSpec<B extends string, M extends string> = ImageSpec<B, M> | IndexSpec<M>;

/** Content in which manifests refer to blobs and to one another by nickname. */
export interface ContentSpec<B extends string, M extends string> {
  readonly blobs: Readonly<Record<B, BlobSource>>;
  readonly manifests: Readonly<Record<M, ManifestSpec<NoInfer<B>, NoInfer<M>>>>;
}
