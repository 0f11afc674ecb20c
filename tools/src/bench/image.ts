import { createHash, randomBytes } from 'node:crypto';

const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

/** Bytes and the digest they go by. */
export interface Content {
  readonly bytes: Buffer;
  readonly digest: string;
}

export interface SmallImage {
  /** The config first, then the layers. */
  readonly blobs: readonly Content[];
  readonly manifest: Content;
}

function contentOf(bytes: Buffer): Content {
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}

/** Bytes that no two calls share, so that no server can answer from what it has. */
function randomContent(size: number): Content {
  return contentOf(randomBytes(size));
}

function randomConfig(): Content {
  return contentOf(Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, author: randomBytes(16).toString('hex') })));
}

/** A manifest over the blobs (config first). `note` makes it distinct from others over the same blobs. */
export function manifestOf(blobs: readonly Content[], note: string): Content {
  const descriptors = blobs.map(({ bytes, digest }, i) => ({ mediaType: i === 0 ? CONFIG_TYPE : LAYER_TYPE, digest, size: bytes.length }));
  const manifest = { schemaVersion: 2, mediaType: MANIFEST_TYPE, config: descriptors[0], layers: descriptors.slice(1), annotations: { note } };
  return contentOf(Buffer.from(JSON.stringify(manifest)));
}

/** An index without entries: the smallest thing that makes a tag and a repository, with no blob before it. */
export function emptyIndex(note: string): Content {
  return contentOf(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [], annotations: { note } })));
}

/** An image of a config and `layers` random layers of `layerBytes` bytes each, like no other. */
export function smallImage(layers = 3, layerBytes = 4096): SmallImage {
  const blobs = [randomConfig(), ...Array.from({ length: layers }, () => randomContent(layerBytes))];
  return { blobs, manifest: manifestOf(blobs, randomBytes(8).toString('hex')) };
}
