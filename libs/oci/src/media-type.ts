import { manifestInvalid, quoted } from './errors.js';

export const OCI_IMAGE_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_IMAGE_INDEX = 'application/vnd.oci.image.index.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

/** The type and subtype names of RFC 6838 have at most 127 characters each. */
export const MAX_MEDIA_TYPE_LENGTH = 255;

const KINDS = {
  [OCI_IMAGE_MANIFEST]: 'image',
  [DOCKER_MANIFEST]: 'image',
  [OCI_IMAGE_INDEX]: 'index',
  [DOCKER_MANIFEST_LIST]: 'index',
} as const;

/** The four manifest media types that can be pushed (wire-protocol M1). */
export type ManifestMediaType = keyof typeof KINDS;
export type ManifestKind = (typeof KINDS)[ManifestMediaType];

/** Types that once were manifests, and what to push in their place (wire-protocol M2). */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ['application/vnd.docker.distribution.manifest.v1+json', 'Docker schema 1 is not accepted'],
  ['application/vnd.docker.distribution.manifest.v1+prettyjws', 'signed Docker schema 1 is not accepted'],
  ['application/vnd.oci.artifact.manifest.v1+json', 'the OCI artifact manifest was withdrawn from the image spec'],
]);

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return Object.hasOwn(KINDS, text);
}

/** Throws OciError MANIFEST_INVALID (400) with a message that begins with `where`. The text must be a bare, lower-case essence. */
export function parseManifestMediaType(text: string, where: string): ManifestMediaType {
  if (isManifestMediaType(text)) return text;
  const reason = REFUSED.get(text) ?? 'this is not the media type of a manifest';
  throw manifestInvalid(`${where} is ${quoted(text)}: ${reason}; push ${OCI_IMAGE_MANIFEST}, ${OCI_IMAGE_INDEX} or their Docker schema 2 equals`);
}

export function manifestKind(mediaType: ManifestMediaType): ManifestKind {
  return KINDS[mediaType];
}

/** Type and subtype of a Content-Type, lower-cased, without parameters. Undefined for an absent or blank header. */
export function essenceOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined) return undefined;
  const semicolon = contentType.indexOf(';');
  const essence = (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase();
  return essence === '' ? undefined : essence;
}

/**
 * Whether a layer of this type may be absent from the registry (wire-protocol M7). The media type alone decides: a layer that merely
 * carries `urls` must be pushed like any other, or `urls` would be a way around the existence check.
 */
export function isExternalLayer(mediaType: string): boolean {
  return mediaType.startsWith('application/vnd.oci.image.layer.nondistributable.') || mediaType.startsWith('application/vnd.docker.image.rootfs.foreign.diff.');
}
