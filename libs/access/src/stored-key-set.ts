import { createPublicKey } from 'node:crypto';
import type { JsonWebKey } from 'node:crypto';
import { KeySet } from './key-set.js';
import type { VerificationKey } from './key-set.js';

/** Reads the public halves of the keys that our own token service publishes. @throws DependencyUnavailable */
export type ReadPublicKeys = () => Promise<readonly { readonly kid: string; readonly publicKey: JsonWebKey }[]>;

/** Milliseconds between two looks: a new key signs at the earliest after two of them (SigningKeysOptions.spreadMs). */
export const LOOK_MS = 2_000;

/**
 * The keys of our own token service, by way of the database that both sides have: one service asks no other. A database that is away takes no key
 * away, since none of them changes its meaning.
 */
export class StoredKeySet extends KeySet {
  private keys: ReadonlyMap<string, VerificationKey> = new Map();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(private readonly read: ReadPublicKeys, private readonly failed: (error: unknown) => void, private readonly everyMs = LOOK_MS) {
    super();
  }

  /** Resolves after the first look, also where it finds none: the token service may make its first key later than this. */
  async start(): Promise<void> {
    await this.refresh();
    this.timer = setInterval(() => void this.refresh().catch((error: unknown) => this.failed(error)), this.everyMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking?.catch(() => undefined);
  }

  find(kid: string): VerificationKey | undefined {
    return this.keys.get(kid);
  }

  /** Never: each of our tokens names its key. */
  only(): VerificationKey | undefined {
    return undefined;
  }

  /** Looks now; whoever asks meanwhile waits for the same look. */
  refresh(): Promise<void> {
    this.looking ??= this.look().finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async look(): Promise<void> {
    const stored = await this.read();
    this.keys = new Map(stored.map(({ kid, publicKey }) => [kid, this.keys.get(kid) ?? { kid, alg: 'ES256', key: createPublicKey({ key: publicKey, format: 'jwk' }) }]));
  }
}
