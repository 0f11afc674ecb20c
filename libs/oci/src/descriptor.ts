import { createHash } from 'node:crypto';
import { digestAlgorithm, digestHex, isDigest } from './digest.js';
import type { Digest } from './digest.js';
import { manifestInvalid, quoted } from './errors.js';
import { MAX_MEDIA_TYPE_LENGTH, isExternalLayer } from './media-type.js';

/** What a manifest says of content it refers to. `size` in bytes, 0 to 2^53-1. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

export interface LayerDescriptor extends Descriptor {
  /** A foreign or non-distributable layer: it may be absent from the registry (wire-protocol M7). */
  readonly external: boolean;
}

export type JsonObject = Readonly<Record<string, unknown>>;

const DESCRIPTOR_KEYS = foldedKeys('mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'artifactType', 'platform');
const PLATFORM_KEYS = foldedKeys('architecture', 'os', 'os.version', 'os.features', 'variant', 'features');

/**
 * Checks a descriptor (wire-protocol M5). Media types may be unknown, other keys may be present. `data` is verified: it must be the base64 of
 * exactly the content that size and digest name, for a client may use it unseen. `where` begins every message. Throws OciError
 * MANIFEST_INVALID (400).
 */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const object = parseObject(value, where);
  refuseCaseVariants(object, DESCRIPTOR_KEYS, where);
  const { mediaType, digest, size } = object;
  if (typeof mediaType !== 'string' || mediaType === '') throw manifestInvalid(`${where}.mediaType must be a non-empty string`);
  if (mediaType.length > MAX_MEDIA_TYPE_LENGTH) throw manifestInvalid(`${where}.mediaType must have at most ${MAX_MEDIA_TYPE_LENGTH} characters`);
  if (typeof digest !== 'string' || !isDigest(digest)) {
    throw manifestInvalid(`${where}.digest must be sha256: and 64, or sha512: and 128, lower-case hex digits${typeof digest === 'string' ? `, not ${quoted(digest)}` : ''}`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw manifestInvalid(`${where}.size must be an integer from 0 to 2^53-1, without fraction or exponent`);
  const descriptor = { mediaType, digest, size };
  checkOptional(object, descriptor, where);
  return descriptor;
}

export function parseLayer(value: unknown, where: string): LayerDescriptor {
  const { mediaType, digest, size } = parseDescriptor(value, where);
  return { mediaType, digest, size, external: isExternalLayer(mediaType) };
}

function checkOptional(object: JsonObject, descriptor: Descriptor, where: string): void {
  const { urls, annotations, data, artifactType, platform } = object;
  if (annotations !== undefined) parseAnnotations(annotations, `${where}.annotations`);
  if (artifactType !== undefined) parseArtifactType(artifactType, `${where}.artifactType`);
  if (platform !== undefined && platform !== null) refuseCaseVariants(parseObject(platform, `${where}.platform`), PLATFORM_KEYS, `${where}.platform`);
  if (urls !== undefined && urls !== null && !(Array.isArray(urls) && urls.every((url) => typeof url === 'string'))) throw manifestInvalid(`${where}.urls must be an array of strings`);
  if (data !== undefined && data !== null) verifyData(data, descriptor, `${where}.data`);
}

function verifyData(data: unknown, { digest, size }: Descriptor, where: string): void {
  if (typeof data !== 'string') throw manifestInvalid(`${where} must be a string of base64`);
  // The length is compared before anything is decoded; base64 has four characters for every three bytes begun.
  const content = data.length === 4 * Math.ceil(size / 3) ? Buffer.from(data, 'base64') : undefined;
  if (content?.length !== size || content.toString('base64') !== data) throw manifestInvalid(`${where} must be padded base64 of exactly ${size} bytes, the size of its descriptor`);
  if (createHash(digestAlgorithm(digest)).update(content).digest('hex') !== digestHex(digest)) throw manifestInvalid(`${where} does not have the digest of its descriptor, ${digest}`);
}

export function parseObject(value: unknown, where: string): JsonObject {
  if (!isJsonObject(value)) throw manifestInvalid(`${where} must be an object`);
  return value;
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Absent and null are no annotations. */
export function parseAnnotations(value: unknown, where: string): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  const object = parseObject(value, where);
  if (!hasStringValues(object)) throw manifestInvalid(`${where} must have only strings as values`);
  return object;
}

function hasStringValues(object: JsonObject): object is Readonly<Record<string, string>> {
  return Object.values(object).every((value) => typeof value === 'string');
}

/** Absent, null and '' are no artifact type (image spec). */
export function parseArtifactType(value: unknown, where: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > MAX_MEDIA_TYPE_LENGTH) throw manifestInvalid(`${where} must be a string of at most ${MAX_MEDIA_TYPE_LENGTH} characters`);
  return value;
}

/** Longer than any key that is known. To fold a key of a megabyte would take long, and no letter becomes shorter by it. */
const MAX_KEY_LENGTH = 16;

/** Keys by the form that a reader which ignores case compares. */
export type FoldedKeys = ReadonlyMap<string, string>;

export function foldedKeys(...keys: readonly string[]): FoldedKeys {
  // The exact spelling is its own entry: almost every lookup ends there.
  return new Map(keys.flatMap((key) => [[fold(key), key] as const, [key, key] as const]));
}

/**
 * Go reads "Layers" as `layers`; we would not, and so approve one manifest and hand out another (wire-protocol section 7.4). Go also
 * takes U+017F for s and U+212A for k, which upper and then lower case do too.
 */
export function refuseCaseVariants(object: JsonObject, known: FoldedKeys, where: string): void {
  for (const key of Object.keys(object)) {
    const exact = known.get(key);
    if (exact === key || key.length > MAX_KEY_LENGTH) continue;
    const meant = exact ?? known.get(fold(key));
    if (meant !== undefined) throw manifestInvalid(`${where} has the key ${quoted(key)}, which some readers take for ${quoted(meant)}: use that spelling or another key`);
  }
}

function fold(key: string): string {
  return key.toUpperCase().toLowerCase();
}
