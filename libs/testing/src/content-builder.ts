import type { BlobReference, BlobSource, ContentSpec, DescriptorFixture, ImageSpec, IndexSpec, ManifestSpec } from './content-spec.js';
import { digestOf, type DigestAlgorithm } from './digests.js';
import { mediaTypes } from './media-types.js';
import { freshBytes } from './random-bytes.js';

export interface BlobFixture {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly size: number;
}

export interface ManifestFixture {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly mediaType: string;
  readonly descriptor: DescriptorFixture;
}

/** The bytes and digests of a ContentSpec. */
export class Content<B extends string, M extends string> {
  readonly #blobs = new Map<string, BlobFixture>();
  /** In the order in which they can be pushed: what a manifest refers to comes before it. */
  readonly #manifests = new Map<string, ManifestFixture>();
  readonly #spec: ContentSpec<B, M>;

  constructor(spec: ContentSpec<B, M>) {
    this.#spec = spec;
    for (const [nickname, source] of Object.entries<BlobSource>(spec.blobs)) this.#blobs.set(nickname, blobFixture(source));
    for (const nickname of Object.keys(spec.manifests)) this.#build(nickname, []);
  }

  blob(nickname: B): BlobFixture {
    return this.#blob(nickname);
  }

  manifest(nickname: M): ManifestFixture {
    return this.#built(nickname);
  }

  blobs(): readonly BlobFixture[] {
    return [...this.#blobs.values()];
  }

  /** Children before their index; a subject before its referrers. */
  manifests(): readonly ManifestFixture[] {
    return [...this.#manifests.values()];
  }

  #blob(nickname: string): BlobFixture {
    const blob = this.#blobs.get(nickname);
    if (blob === undefined) throw new Error(`The fixture names the blob "${nickname}", but its blobs are ${[...this.#blobs.keys()].join(', ')}.`);
    return blob;
  }

  #built(nickname: string): ManifestFixture {
    const manifest = this.#manifests.get(nickname);
    if (manifest === undefined) throw new Error(`The fixture names the manifest "${nickname}", but its manifests are ${Object.keys(this.#spec.manifests).join(', ')}.`);
    return manifest;
  }

  #build(nickname: string, path: readonly string[]): ManifestFixture {
    const built = this.#manifests.get(nickname);
    if (built !== undefined) return built;
    if (path.includes(nickname)) throw new Error(`The fixture's manifests refer to one another in a circle: ${[...path, nickname].join(' -> ')}.`);
    const spec = new Map(Object.entries<ManifestSpec<B, M>>(this.#spec.manifests)).get(nickname);
    if (spec === undefined) return this.#built(nickname);
    const manifest = this.#write(spec, [...path, nickname]);
    this.#manifests.set(nickname, manifest);
    return manifest;
  }

  #write(spec: ManifestSpec<B, M>, path: readonly string[]): ManifestFixture {
    const body = isImage(spec) ? this.#imageBody(spec) : this.#indexBody(spec, path);
    const subject = typeof spec.subject === 'string' ? this.#build(spec.subject, path).descriptor : spec.subject;
    const document = { ...body, ...defined({ artifactType: spec.artifactType, subject, annotations: spec.annotations }), ...spec.fields };
    return manifestFixture(Buffer.from(JSON.stringify(document)), body.mediaType, spec.algorithm);
  }

  #imageBody(spec: ImageSpec<B, M>) {
    const docker = spec.kind === 'docker';
    return {
      schemaVersion: 2,
      mediaType: docker ? mediaTypes.dockerManifest : mediaTypes.image,
      config: this.#descriptor(spec.config, docker ? mediaTypes.dockerConfig : mediaTypes.imageConfig),
      layers: spec.layers.map((layer) => this.#descriptor(layer, docker ? mediaTypes.dockerLayer : mediaTypes.layer)),
    };
  }

  #indexBody(spec: IndexSpec<M>, path: readonly string[]) {
    const children = spec.manifests.map((child) => {
      if (typeof child === 'string') return this.#build(child, path).descriptor;
      if (typeof child['manifest'] !== 'string') return child;
      const { manifest, ...fields } = child;
      return { ...this.#build(String(manifest), path).descriptor, ...fields };
    });
    return { schemaVersion: 2, mediaType: spec.kind === 'index' ? mediaTypes.index : mediaTypes.dockerList, manifests: children };
  }

  #descriptor(reference: BlobReference<B>, mediaType: string): Readonly<Record<string, unknown>> {
    if (typeof reference === 'string') return { mediaType, ...digestAndSize(this.#blob(reference)) };
    if (typeof reference['blob'] !== 'string') return reference;
    const { blob, ...fields } = reference;
    return { mediaType, ...digestAndSize(this.#blob(String(blob))), ...fields };
  }
}

/** Computes the digests of `spec`. Nicknames are checked by the compiler. */
export function buildContent<const B extends string, const M extends string>(spec: ContentSpec<B, M>): Content<B, M> {
  return new Content(spec);
}

/** A manifest from bytes that no builder would write, for what a registry has to refuse. */
export function manifestFixture(bytes: Buffer, mediaType: string, algorithm: DigestAlgorithm = 'sha256'): ManifestFixture {
  const digest = digestOf(bytes, algorithm);
  return { bytes, digest, mediaType, descriptor: { mediaType, digest, size: bytes.length } };
}

/** A blob from text, bytes, a JSON value or a number of random bytes. */
export function blobFixture(source: BlobSource): BlobFixture {
  const bytes = bytesOf(source);
  const algorithm = typeof source === 'string' || Buffer.isBuffer(source) ? undefined : source.algorithm;
  return { bytes, digest: digestOf(bytes, algorithm), size: bytes.length };
}

function bytesOf(source: BlobSource): Buffer {
  if (typeof source === 'string') return Buffer.from(source);
  if (Buffer.isBuffer(source)) return source;
  if ('random' in source) return freshBytes(source.random);
  return 'bytes' in source ? source.bytes : Buffer.from(JSON.stringify(source.json));
}

function digestAndSize(blob: BlobFixture) {
  return { digest: blob.digest, size: blob.size };
}

function defined(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function isImage<B extends string, M extends string>(spec: ManifestSpec<B, M>): spec is ImageSpec<B, M> {
  return spec.kind === 'image' || spec.kind === 'docker';
}
