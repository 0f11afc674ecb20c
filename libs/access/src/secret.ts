import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** What a secret is for: a personal token, a robot's secret, a refresh token. It stands in the secret, so that whoever finds one knows what to revoke. */
export const SECRET_KINDS = ['pat', 'robot', 'refresh'] as const;
export type SecretKind = (typeof SECRET_KINDS)[number];

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Base62 digits, of 5.95 bits each: 190 random bits. */
const RANDOM_LENGTH = 32;
/** 62^6 is more than 2^32. */
const CHECKSUM_LENGTH = 6;
const FORM = new RegExp(`^wbl_(${SECRET_KINDS.join('|')})_([0-9A-Za-z]{${RANDOM_LENGTH}})([0-9A-Za-z]{${CHECKSUM_LENGTH}})$`);

/**
 * A new secret, `wbl_<kind>_<32 random base62 digits><6 digits of their CRC-32>`, to be shown once. A scanner of repositories and logs knows it by its
 * beginning and, by the checksum, from what only looks like one, without asking us.
 */
export function newSecret(kind: SecretKind): string {
  const text = `wbl_${kind}_${randomDigits(RANDOM_LENGTH)}`;
  return text + checksum(text);
}

/** What `text` is a secret for; undefined where it is none that we ever made. That is no proof that it is known, and saves looking for what is not. */
export function parseSecret(text: string): SecretKind | undefined {
  const [, kind] = FORM.exec(text) ?? [];
  return SECRET_KINDS.find((known) => known === kind && checksum(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH));
}

/**
 * What is stored of a secret and looked up: SHA-256, 32 bytes. A slow hash with a salt is for secrets that people choose, of which a list of guesses
 * holds many; of 190 random bits nobody has a list, and a fast one can be an index.
 */
export function hashSecret(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Whether the secret has this hash, in a time that does not tell how much of it fits. @param hash of hashSecret */
export function matchesSecret(text: string, hash: Uint8Array): boolean {
  const own = hashSecret(text);
  return hash.length === own.length && timingSafeEqual(own, hash);
}

/** Each as probable as another: bytes beyond the last whole run of the digits are thrown away. */
function randomDigits(length: number): string {
  const limit = 256 - (256 % DIGITS.length);
  let text = '';
  while (text.length < length) {
    text += [...randomBytes(length)].filter((byte) => byte < limit).map((byte) => DIGITS.charAt(byte % DIGITS.length)).join('');
  }
  return text.slice(0, length);
}

function checksum(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let n = 0; n < CHECKSUM_LENGTH; n++) {
    digits = DIGITS.charAt(rest % DIGITS.length) + digits;
    rest = Math.floor(rest / DIGITS.length);
  }
  return digits;
}
