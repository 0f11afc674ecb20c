import { foldedKeys, parseAnnotations, parseArtifactType, parseDescriptor, parseLayer, parseObject, refuseCaseVariants } from './descriptor.js';
import type { Descriptor, JsonObject, LayerDescriptor } from './descriptor.js';
import type { Digest } from './digest.js';
import { manifestInvalid, manifestTooLarge } from './errors.js';
import { OCI_IMAGE_INDEX, OCI_IMAGE_MANIFEST, essenceOf, manifestKind, parseManifestMediaType } from './media-type.js';
import type { ManifestKind, ManifestMediaType } from './media-type.js';
import { parseStrictJson } from './strict-json.js';

/** 4 MiB: what the spec asks a registry to accept, and the most that the common clients read (wire-protocol M10). */
export const MAX_MANIFEST_BYTES = 4_194_304;

/** A checked manifest. Lists keep the order of the document and may name one digest more than once. */
export interface ParsedManifest {
  readonly kind: ManifestKind;
  readonly mediaType: ManifestMediaType;
  /** What the referrers list shows and filters by: the manifest's own, else for an image its config's media type, else nothing (wire-protocol R1). */
  readonly artifactType: string | undefined;
  /** The manifest's own `artifactType` field. */
  readonly ownArtifactType: string | undefined;
  /** Of an image, always; of an index, never. */
  readonly config: Descriptor | undefined;
  /** Empty for an index. */
  readonly layers: readonly LayerDescriptor[];
  /** The manifests of an index; empty for an image. */
  readonly children: readonly Descriptor[];
  readonly subject: Descriptor | undefined;
  readonly annotations: Readonly<Record<string, string>>;
}

const MANIFEST_KEYS = foldedKeys('schemaVersion', 'mediaType', 'artifactType', 'config', 'layers', 'manifests', 'subject', 'annotations', 'fsLayers', 'signatures');

/**
 * Reads a manifest as it was received (wire-protocol M1 to M5, section 7 points 3 and 4). The media type follows from the bytes alone:
 * the body's `mediaType`, else `config` and `layers` make an OCI image and `manifests` an OCI index. Content-Type, its parameters
 * ignored, is only held against it. So one digest has one media type, whenever and as whatever it is pushed.
 *
 * Beyond the spec's rules, one digest with two sizes is refused: no blob can satisfy both (M8). Whether the content exists, and with these sizes, is the
 * caller's question. Throws OciError MANIFEST_INVALID: 413 above 4 MiB, 400 for everything else.
 */
export function parseManifest(bytes: Buffer, contentType: string | undefined): ParsedManifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw manifestTooLarge(MAX_MANIFEST_BYTES);
  const essence = essenceOf(contentType);
  const announced = essence === undefined ? undefined : parseManifestMediaType(essence, 'the Content-Type');
  const body = parseObject(parseStrictJson(bytes), 'the manifest');
  refuseCaseVariants(body, MANIFEST_KEYS, 'the manifest');
  refuseSchema1(body);
  const mediaType = mediaTypeOf(body);
  if (announced !== undefined && announced !== mediaType) {
    const source = isPresent(body['mediaType']) ? 'its mediaType says' : 'without a mediaType its content makes it';
    throw manifestInvalid(`the manifest was sent as ${announced}, but ${source} ${mediaType}: both must be the same`);
  }
  return manifestKind(mediaType) === 'image' ? parseImage(body, mediaType) : parseIndex(body, mediaType);
}

function refuseSchema1(body: JsonObject): void {
  if (isPresent(body['fsLayers']) || isPresent(body['signatures']) || body['schemaVersion'] === 1) {
    throw manifestInvalid('the manifest has the form of Docker schema 1, which is not accepted: push an OCI or a Docker schema 2 manifest');
  }
  if (body['schemaVersion'] !== 2) throw manifestInvalid('schemaVersion must be the number 2');
}

function mediaTypeOf(body: JsonObject): ManifestMediaType {
  const { mediaType } = body;
  if (isPresent(mediaType)) {
    if (typeof mediaType !== 'string') throw manifestInvalid('mediaType must be a string');
    return parseManifestMediaType(mediaType, 'mediaType');
  }
  if (isPresent(body['config']) || isPresent(body['layers'])) return OCI_IMAGE_MANIFEST;
  if (isPresent(body['manifests'])) return OCI_IMAGE_INDEX;
  throw manifestInvalid('the manifest has neither mediaType, nor config and layers, nor manifests: it is not an image and not an index');
}

function parseImage(body: JsonObject, mediaType: ManifestMediaType): ParsedManifest {
  if (isPresent(body['manifests'])) throw manifestInvalid('an image manifest must not have manifests: some readers would take it for an index');
  const config = parseDescriptor(body['config'], 'config');
  const layers = parseArray(body['layers'], 'layers', parseLayer);
  const subject = parseSubject(body);
  const ownArtifactType = parseArtifactType(body['artifactType'], 'artifactType');
  checkSizes([config, ...(subject === undefined ? [] : [subject])], layers);
  const annotations = parseAnnotations(body['annotations'], 'annotations');
  return { kind: 'image', mediaType, artifactType: ownArtifactType ?? config.mediaType, ownArtifactType, config, layers, children: [], subject, annotations };
}

function parseIndex(body: JsonObject, mediaType: ManifestMediaType): ParsedManifest {
  for (const key of ['config', 'layers']) {
    if (isPresent(body[key])) throw manifestInvalid(`an index must not have ${key}: some readers would take it for an image`);
  }
  const children = parseArray(body['manifests'], 'manifests', parseDescriptor);
  const subject = parseSubject(body);
  const ownArtifactType = parseArtifactType(body['artifactType'], 'artifactType');
  checkSizes(subject === undefined ? [] : [subject], children);
  const annotations = parseAnnotations(body['annotations'], 'annotations');
  return { kind: 'index', mediaType, artifactType: ownArtifactType, ownArtifactType, config: undefined, layers: [], children, subject, annotations };
}

function parseSubject(body: JsonObject): Descriptor | undefined {
  return isPresent(body['subject']) ? parseDescriptor(body['subject'], 'subject') : undefined;
}

function parseArray<T>(value: unknown, where: string, parseItem: (item: unknown, where: string) => T): T[] {
  if (!Array.isArray(value)) throw manifestInvalid(`${where} must be an array, which may be empty`);
  return value.map((item, index) => parseItem(item, `${where}[${index}]`));
}

function checkSizes(some: readonly Descriptor[], others: readonly Descriptor[]): void {
  const sizes = new Map<Digest, number>();
  for (const list of [some, others]) {
    for (const { digest, size } of list) {
      const before = sizes.get(digest);
      if (before !== undefined && before !== size) throw manifestInvalid(`${digest} has the size ${before} in one descriptor and ${size} in another`);
      sizes.set(digest, size);
    }
  }
}

/** A JSON null is what many writers make of an absent field, and every reader takes it for one. */
function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
