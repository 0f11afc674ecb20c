import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { AccessEntry } from '../claims.js';
import { KeySet } from '../key-set.js';
import type { VerificationKey } from '../key-set.js';

export const ISSUER = 'https://issuer.example';
export const SERVICE = 'registry.example';

/** A set that the test changes as it likes. */
export class KeysInHand extends KeySet {
  readonly keys = new Map<string, VerificationKey>();

  constructor(...keys: readonly VerificationKey[]) {
    super();
    for (const key of keys) this.keys.set(key.kid, key);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  find(kid: string): VerificationKey | undefined {
    return this.keys.get(kid);
  }

  only(): VerificationKey | undefined {
    return this.keys.size === 1 ? this.keys.values().next().value : undefined;
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

type KeyKind = 'ES256' | 'RS256' | 'EdDSA';

/** Signs whatever it is told to, also what no library would. Put together by hand, so that a test does not check a library by itself. */
export class TestIssuer {
  readonly key: VerificationKey;
  private readonly privateKey: KeyObject;

  constructor(readonly kid = 'one', kind: KeyKind = 'ES256') {
    const { publicKey, privateKey } = newPair(kind);
    this.privateKey = privateKey;
    this.key = { kid, alg: kind, key: publicKey };
  }

  get jwk(): JsonWebKey {
    return { ...this.key.key.export({ format: 'jwk' }), kid: this.kid, alg: this.key.alg, use: 'sig' };
  }

  get keys(): KeysInHand {
    return new KeysInHand(this.key);
  }

  /** A token as it should be, changed by `claims` and `header`; a claim that is undefined is left out. */
  issue(claims: Readonly<Record<string, unknown>> = {}, header: Readonly<Record<string, unknown>> = {}): string {
    const now = Math.floor(Date.now() / 1000);
    return this.signText(
      JSON.stringify({ typ: 'JWT', alg: this.key.alg, kid: this.kid, ...header }),
      JSON.stringify({ iss: ISSUER, aud: SERVICE, sub: 'alice', iat: now, nbf: now, exp: now + 300, jti: 'j', access: [], ...claims }),
    );
  }

  /** With these rights. */
  grant(access: readonly AccessEntry[], claims: Readonly<Record<string, unknown>> = {}): string {
    return this.issue({ access, ...claims });
  }

  /** Signs two JSON texts as they stand. */
  signText(header: string, payload: string): string {
    const input = `${base64url(header)}.${base64url(payload)}`;
    const digest = this.key.alg === 'EdDSA' ? null : 'sha256';
    return `${input}.${sign(digest, Buffer.from(input), { key: this.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  }
}

/** `repository:<name>` with these actions. */
export function repository(name: string, ...actions: readonly string[]): AccessEntry {
  return { type: 'repository', name, actions: [...actions] };
}

/** Signed with HMAC, under whatever key. */
export function signSymmetrically(header: object, payload: object, secret: string | Buffer): string {
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(payload))}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

export function publicPem(key: KeyObject): string {
  return createPublicKey(key.export({ format: 'pem', type: 'spki' })).export({ format: 'pem', type: 'spki' }).toString();
}

function newPair(kind: KeyKind): { publicKey: KeyObject; privateKey: KeyObject } {
  if (kind === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return kind === 'RS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
