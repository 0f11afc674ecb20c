import { createHash } from 'node:crypto';
import { digestAlgorithm, digestFrom, digestInvalid, isDigestReference, parseManifest } from '@waybill/oci';
import type { Descriptor, Digest, DigestAlgorithm, ParsedManifest, Reference, Tag } from '@waybill/oci';

/** Digests, distinct and in byte order (the order in which a push locks), with the sizes that the manifest gives them. */
export interface SizedDigests {
  readonly digests: readonly Digest[];
  readonly sizes: readonly number[];
}

/** A manifest that is ready to be written: everything that follows from its bytes and from the reference it is pushed under. */
export interface ManifestPush {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  readonly subject: Digest | undefined;
  /** The JSON of its entry in a referrers list (wire-protocol R1); undefined without a subject. */
  readonly descriptor: string | undefined;
  /** What has to be in the repository: the config and the layers that are not external. */
  readonly blobs: SizedDigests;
  /** Layers that may be absent, and are held where they are not (wire-protocol M7). */
  readonly external: SizedDigests;
  readonly children: SizedDigests;
  /** Distinct, in byte order. */
  readonly tags: readonly Tag[];
  /** The JSON of ManifestPushed's data. */
  readonly data: string;
}

/** Bytes of annotations that an event carries at most (event-log.md 2.2). */
const EVENT_ANNOTATIONS = 8192;

/**
 * @param tags those of `?tag=`, beside a tag that is the reference
 * @throws OciError MANIFEST_INVALID; DIGEST_INVALID where the reference is a digest and the bytes have another
 */
export function parsePush(bytes: Buffer, contentType: string | undefined, reference: Reference, tags: readonly Tag[]): ManifestPush {
  const manifest = parseManifest(bytes, contentType);
  const digest = digestOf(bytes, isDigestReference(reference) ? digestAlgorithm(reference) : 'sha256');
  if (isDigestReference(reference) && reference !== digest) {
    throw digestInvalid(`the manifest has the digest ${digest}, the request says ${reference}`);
  }
  const all = isDigestReference(reference) ? tags : [reference, ...tags];
  const held = [...(manifest.config ? [manifest.config] : []), ...manifest.layers.filter((layer) => !layer.external)];
  return {
    digest,
    bytes,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    subject: manifest.subject?.digest,
    descriptor: manifest.subject && JSON.stringify(referrerOf(manifest, digest, bytes.length)),
    blobs: sized(held),
    external: sized(manifest.layers.filter((layer) => layer.external)),
    children: sized(manifest.children),
    tags: [...new Set(all)].sort(),
    data: JSON.stringify(eventData(manifest, digest, bytes.length)),
  };
}

function digestOf(bytes: Buffer, algorithm: DigestAlgorithm): Digest {
  return digestFrom(algorithm, createHash(algorithm).update(bytes));
}

/** One digest never has two sizes in a parsed manifest. */
function sized(descriptors: readonly Descriptor[]): SizedDigests {
  const sizes = new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor.size]));
  const sorted = [...sizes].sort(([a], [b]) => (a < b ? -1 : 1));
  return { digests: sorted.map(([digest]) => digest), sizes: sorted.map(([, size]) => size) };
}

function referrerOf(manifest: ParsedManifest, digest: Digest, size: number): object {
  const annotations = Object.keys(manifest.annotations).length > 0 ? manifest.annotations : undefined;
  return { mediaType: manifest.mediaType, digest, size, artifactType: manifest.artifactType, annotations };
}

function eventData(manifest: ParsedManifest, digest: Digest, size: number): object {
  const truncated = Buffer.byteLength(JSON.stringify(manifest.annotations)) > EVENT_ANNOTATIONS;
  return {
    digest,
    media_type: manifest.mediaType,
    size,
    artifact_type: manifest.artifactType ?? null,
    config: manifest.config ? { digest: manifest.config.digest, media_type: manifest.config.mediaType, size: manifest.config.size } : null,
    layers: manifest.layers.map((layer) => ({ digest: layer.digest, size: layer.size, ...(layer.external ? { external: true } : {}) })),
    children: manifest.children.map((child) => ({ digest: child.digest, size: child.size, media_type: child.mediaType })),
    subject: manifest.subject?.digest ?? null,
    annotations: truncated ? {} : manifest.annotations,
    ...(truncated ? { annotations_truncated: true } : {}),
  };
}
