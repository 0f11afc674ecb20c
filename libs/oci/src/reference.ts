import { isDigest, parseDigest } from './digest.js';
import type { Digest } from './digest.js';
import { manifestInvalid, quoted } from './errors.js';

declare const brand: unique symbol;
/** 1 to 128 characters of letters, digits, '_', '.' and '-', the first not '.' or '-'. Made only by parseTag and parseReference. */
export type Tag = string & { readonly [brand]: 'Tag' };
export type Reference = Tag | Digest;

const GRAMMAR = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

export function isTag(text: string): text is Tag {
  return text.length <= 128 && GRAMMAR.test(text);
}

/** Throws OciError MANIFEST_INVALID (400): the OCI list of codes has none of its own for a tag (wire-protocol G8). */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text;
  throw manifestInvalid(`${quoted(text)} is not a tag: expected 1 to 128 of a-z A-Z 0-9 _ . - with neither '.' nor '-' first`);
}

/** What contains ':' is a digest and never falls back to a tag (wire-protocol G5). Throws OciError DIGEST_INVALID or MANIFEST_INVALID (400). */
export function parseReference(text: string): Reference {
  return text.includes(':') ? parseDigest(text) : parseTag(text);
}

export function isDigestReference(reference: Reference): reference is Digest {
  return isDigest(reference);
}
