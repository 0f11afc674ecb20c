import type { KeyObject } from 'node:crypto';

/** A public key that tokens may be signed with. */
export interface VerificationKey {
  readonly kid: string;
  /** The only algorithm that it is good for; asymmetric always. */
  readonly alg: 'ES256' | 'ES384' | 'ES512' | 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'EdDSA';
  readonly key: KeyObject;
}

/**
 * The public keys of one issuer, held in memory and refreshed in the background. A request never waits for a key to be fetched, and never causes one
 * to be: a `kid` that is not here is unknown.
 */
export abstract class KeySet {
  /** Resolves once keys are there, or rejects in words for a person. */
  abstract start(): Promise<void>;
  abstract find(kid: string): VerificationKey | undefined;
  /** The only key of a set that has one: what a token without a `kid` is checked against. */
  abstract only(): VerificationKey | undefined;
  abstract stop(): Promise<void>;
}
