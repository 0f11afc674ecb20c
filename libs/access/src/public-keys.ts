import { createPublicKey, hash, X509Certificate } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { VerificationKey } from './key-set.js';

type Algorithm = VerificationKey['alg'];

const CURVES: ReadonlyMap<string, Algorithm> = new Map([['prime256v1', 'ES256'], ['secp384r1', 'ES384'], ['secp521r1', 'ES512']]);
const RSA: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
/** Bits of an RSA key below which a signature proves nothing (RFC 7518 section 3.3). */
const LEAST_RSA = 2048;

const jwkSchema = z.looseObject({
  kty: z.string(),
  kid: z.string().max(256).optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
});
const setSchema = z.object({ keys: z.array(z.unknown()).max(100) });

/**
 * The keys of a JWK Set (RFC 7517) that signatures can be checked with. What is for something else, of an unknown kind, weak or symmetric is left out, as
 * RFC 7517 section 5 wants it. One without a `kid` is known by its thumbprint.
 * @throws where it is no JWK Set, and where it holds a private key: whoever reads that file has it too
 */
export function keysOfJwks(text: string): readonly VerificationKey[] {
  const set = setSchema.safeParse(parseJson(text));
  if (!set.success) throw new Error('it is not a JWK Set: expected {"keys": [...]}');
  return set.data.keys.flatMap((item) => {
    const jwk = jwkSchema.safeParse(item);
    if (!jwk.success || jwk.data.kty === 'oct') return [];
    if ('d' in jwk.data) throw new Error('it holds a private key: publish the public ones only, and take this one out of use');
    if ((jwk.data.use ?? 'sig') !== 'sig' || (jwk.data.key_ops?.includes('verify') ?? true) === false) return [];
    const key = readJwk(jwk.data);
    const alg = key && algorithmOf(key, jwk.data.alg);
    return alg === undefined || key === undefined ? [] : [{ kid: jwk.data.kid ?? thumbprint(key), alg, key }];
  });
}

/**
 * The keys of the certificates in a PEM text. Token servers name them by the RFC 7638 thumbprint or by the older fingerprint in groups of four letters: each
 * key is there under both. Certificates that have expired or are not valid yet are left out.
 */
export function keysOfCertificates(text: string, now: Date): readonly VerificationKey[] {
  const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return pems.flatMap((pem) => {
    const certificate = new X509Certificate(pem);
    if (certificate.validFromDate > now || certificate.validToDate <= now) return [];
    const key = certificate.publicKey;
    const alg = algorithmOf(key, undefined);
    return alg === undefined ? [] : namedTwice(key, alg);
  });
}

function namedTwice(key: KeyObject, alg: Algorithm): VerificationKey[] {
  const one: VerificationKey = { kid: thumbprint(key), alg, key };
  return [one, { ...one, kid: fingerprint(key) }];
}

function readJwk(jwk: JsonWebKey): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** The algorithm that a key is good for; undefined for none that is allowed, or for another than `wanted`. */
function algorithmOf(key: KeyObject, wanted: string | undefined): Algorithm | undefined {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'ec': {
      const alg = CURVES.get(details?.namedCurve ?? '');
      return wanted === undefined || wanted === alg ? alg : undefined;
    }
    case 'rsa':
      if ((details?.modulusLength ?? 0) < LEAST_RSA) return undefined;
      return wanted === undefined ? 'RS256' : RSA.find((alg) => alg === wanted);
    case 'ed25519':
      return wanted === undefined || wanted === 'EdDSA' || wanted === 'Ed25519' ? 'EdDSA' : undefined;
    default:
      return undefined;
  }
}

/** RFC 7638: SHA-256 over the members that make the key, in the order of their names. */
export function thumbprint(key: KeyObject): string {
  const { kty, crv, e, n, x, y } = key.export({ format: 'jwk' });
  const members = Object.entries({ crv, e, kty, n, x, y }).filter(([, value]) => value !== undefined);
  return hash('sha256', JSON.stringify(Object.fromEntries(members)), 'base64url');
}

/** The first 240 bits of SHA-256 over the key's DER in base32, as `ABCD:EFGH:...`: what Docker's own token servers put into `kid`. */
export function fingerprint(key: KeyObject): string {
  const bits = [...hash('sha256', key.export({ format: 'der', type: 'spki' }), 'buffer').subarray(0, 30)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const letters = (bits.match(/.{5}/g) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]).join('');
  return (letters.match(/.{4}/g) ?? []).join(':');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error('it is not JSON', { cause });
  }
}
