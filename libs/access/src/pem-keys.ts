import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import { filesOf, readSettled } from '@waybill/platform';
import { thumbprint } from './public-keys.js';

/** A private key of a file; `kid` is the thumbprint of its public half (RFC 7638). */
export interface PemKey {
  readonly kid: string;
  readonly publicKey: JsonWebKey;
  readonly key: KeyObject;
}

/** Bytes of a file of keys. */
const MAX_BYTES = 64 * 1024;
const NAME = /\.(?:pem|key)$/;
const BLOCK = /-----BEGIN (?:EC )?PRIVATE KEY-----[^-]+-----END (?:EC )?PRIVATE KEY-----/g;

/**
 * The keys of a file, in its order; of a folder, those of its files `*.pem` and `*.key`, by name. The last one is the newest.
 * @throws in words for a person, without anything of a key: where there is none, where one is not of ES256, and where one is there twice
 */
export async function readPemKeys(path: string): Promise<readonly [PemKey, ...PemKey[]]> {
  const files = await filesOf(path).catch((error: unknown) => Promise.reject(unusable(path, error)));
  const inFolder = files.length !== 1 || files[0] !== path;
  const keys: PemKey[] = [];
  for (const file of inFolder ? files.filter((name) => NAME.test(name)) : files) {
    keys.push(...(await readSettled(file, MAX_BYTES).then(keysOfPem).catch((error: unknown) => Promise.reject(unusable(file, error)))));
  }
  const [first, ...more] = keys;
  if (first === undefined) throw unusable(path, new Error(`there is no private key in it: expected PEM${inFolder ? ', in files *.pem or *.key' : ''}, as \`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256\` makes it`));
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) throw unusable(path, new Error('it has a key twice'));
  return [first, ...more];
}

function keysOfPem(text: string): PemKey[] {
  return (text.match(BLOCK) ?? []).map((pem) => {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('a key of it is not of the curve P-256, which ES256 needs');
    const publicKey = createPublicKey(key);
    return { kid: thumbprint(publicKey), publicKey: publicKey.export({ format: 'jwk' }), key };
  });
}

function unusable(path: string, cause: unknown): Error {
  return new Error(`the signing keys in ${path} (auth.tokens.keys) cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
