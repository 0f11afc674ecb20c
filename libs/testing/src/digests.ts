import { createHash } from 'node:crypto';

/** The algorithms that the registry accepts in a digest. */
export type DigestAlgorithm = 'sha256' | 'sha512';

/** `algorithm:hex` of the bytes, as the wire writes it. Computed here and not by libs/oci, so that a fault there cannot hide itself. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** A well-formed digest of content that nobody has pushed. */
export function unknownDigest(algorithm: DigestAlgorithm = 'sha256'): string {
  return digestOf(Buffer.from(`nobody pushed ${Math.random()} ${process.hrtime.bigint()}`), algorithm);
}
