import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import type { KeyCipher } from './key-cipher.js';
import type { SigningKeyRow } from './signing-key-table.js';

/** When keys follow one another. Milliseconds. */
export interface KeySchedule {
  /** For how long a key is active. */
  readonly period: number;
  /** How long before it signs a key is published, so that whoever verifies has it by then. Less than `period`. */
  readonly ahead: number;
  /** How long a retired key stays published: until the last token that it signed is dead, and then some. */
  readonly after: number;
}

/** What has to be done about the keys next; one thing at a time, since another replica may have done it. */
export type KeyStep = { readonly do: 'nothing' | 'add' } | { readonly do: 'withdraw' | 'rotate'; readonly kid: string };

type PlannedKey = Pick<SigningKeyRow, 'kid' | 'state' | 'createdAt' | 'activatedAt'> & { readonly opens: boolean };

/**
 * A key is added `ahead` of the end of the active one, and replaces it once it has been published for that long.
 * @param fresh whether this process begins. One that cannot open the active key then replaces it at once: its secret is the new one. Later that would be
 * a quarrel of two replicas with different secrets.
 */
export function planKeys(keys: readonly PlannedKey[], now: number, { period, ahead }: KeySchedule, fresh: boolean): KeyStep {
  const [active, next] = (['active', 'next'] as const).map((state) => keys.find((key) => key.state === state));
  if (active === undefined) return { do: 'add' };
  const isLost = fresh && !active.opens;
  if (next === undefined) return { do: isLost || now >= startOf(active) + period - ahead ? 'add' : 'nothing' };
  if (isLost) return next.opens ? { do: 'rotate', kid: active.kid } : { do: 'withdraw', kid: next.kid };
  const isDue = now >= startOf(active) + period && now >= next.createdAt.getTime() + ahead;
  return isDue && next.opens ? { do: 'rotate', kid: active.kid } : { do: 'nothing' };
}

function startOf({ activatedAt, createdAt }: PlannedKey): number {
  return (activatedAt ?? createdAt).getTime();
}

/** A key that is not stored yet; `kid` is the thumbprint of the public half (RFC 7638), so that the same key has the same name everywhere. */
export type NewSigningKey = Pick<SigningKeyRow, 'kid' | 'publicKey' | 'sealed'>;

/** A new ES256 key whose private half only `cipher` opens. */
export async function makeSigningKey(cipher: KeyCipher): Promise<NewSigningKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint({ ...jwk, kty: 'EC' });
  return { kid, publicKey: jwk, sealed: cipher.seal(kid, privateKey.export({ format: 'der', type: 'pkcs8' })) };
}

/** The private half; undefined where `cipher` is not the one that sealed it, or where it does not belong to the public half. */
export function openSigningKey(cipher: KeyCipher, { kid, sealed, publicKey }: NewSigningKey): KeyObject | undefined {
  const der = cipher.open(kid, sealed);
  if (der === undefined) return undefined;
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return createPublicKey(key).equals(createPublicKey({ key: publicKey, format: 'jwk' })) ? key : undefined;
}

/** The document of `/.well-known/jwks.json` (RFC 7517): public halves only, each named member by member. */
export function formatJwks(keys: readonly Pick<SigningKeyRow, 'kid' | 'publicKey'>[]): string {
  return JSON.stringify({ keys: keys.map(({ kid, publicKey: { kty, crv, x, y } }) => ({ kty, crv, x, y, kid, use: 'sig', alg: 'ES256' })) });
}
