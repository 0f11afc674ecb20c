import type { JsonWebKey, KeyObject } from 'node:crypto';
import type { KeyCipher } from './key-cipher.js';
import { makeSigningKey, openSigningKey, planKeys } from './signing-key.js';
import type { KeySchedule, KeyStep } from './signing-key.js';
import type { SigningKeyRow, SigningKeyTable } from './signing-key-table.js';

export interface SigningKeysOptions {
  readonly table: Pick<SigningKeyTable, 'all' | 'add' | 'rotate' | 'withdraw'>;
  readonly cipher: KeyCipher;
  readonly schedule: KeySchedule;
  /** Told what goes wrong in the background; it is tried again. */
  readonly failed: (error: unknown) => void;
  /** Told of keys that the secret of this process does not open. They stay published, and others sign. */
  readonly unopened?: (kids: readonly string[]) => void;
  /** Told after a key was made, so that whoever verifies in this process need not wait for its next look. */
  readonly made?: () => Promise<void>;
  /** Milliseconds for which the first key is published before it signs: those who verify look for keys that often. 0 where there are no others. */
  readonly spreadMs?: number;
  readonly now?: () => number;
  readonly everyMs?: number;
}

/** Also for how long a process signs with a key that was withdrawn. */
const EVERY_MS = 2_000;
/** A look that has more to do goes on at the next one. */
const STEPS = 4;

interface Signer {
  readonly kid: string;
  readonly key: KeyObject;
}

/** What signs tokens, wherever its keys are kept. */
export interface Signing {
  start(): Promise<void>;
  stop(): Promise<void>;
  current(): Signer;
  publicKeys(): readonly Pick<SigningKeyRow, 'kid' | 'publicKey'>[];
  /** Of the readiness: rejects where nobody believes what this process signs. */
  check(): Promise<void>;
}

/**
 * The keys that this process signs with, kept in step with every other replica by looking at the table. A key is published before it signs, and stays
 * published until nothing that it signed is alive.
 */
export class SigningKeys implements Signing {
  private signer: Signer | undefined;
  private published: readonly Pick<SigningKeyRow, 'kid' | 'publicKey'>[] = [];
  private readonly opened = new Map<string, KeyObject | undefined>();
  private timer: NodeJS.Timeout | undefined;
  private turning: Promise<void> | undefined;

  constructor(private readonly options: SigningKeysOptions) {}

  /** Resolves once there is a key to sign with. @throws DependencyUnavailable */
  async start(): Promise<void> {
    await this.turn();
    const turn = (): void => void this.turn().catch((error: unknown) => this.options.failed(error));
    this.timer = setInterval(turn, this.options.everyMs ?? EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.turning?.catch(() => undefined);
  }

  /** The key to sign with now. */
  current(): Signer {
    if (this.signer === undefined) throw new Error('There is no signing key: SigningKeys was not started.');
    return this.signer;
  }

  check(): Promise<void> {
    if (this.published.some(({ kid }) => kid === this.signer?.kid)) return Promise.resolve();
    return Promise.reject(new Error('the key that this process signs with is published no longer, and its secret (auth.tokens.keySecret) does not open the one that others sign with'));
  }

  /** Public halves of every key that a living token may be signed with, and of the one that signs next. */
  publicKeys(): readonly { readonly kid: string; readonly publicKey: JsonWebKey }[] {
    return this.published;
  }

  /** Looks at the table, and does what is due. One look at a time. */
  turn(): Promise<void> {
    this.turning ??= this.look().finally(() => (this.turning = undefined));
    return this.turning;
  }

  private async look(): Promise<void> {
    let keys = await this.options.table.all();
    for (let steps = 0; steps < STEPS; steps += 1) {
      const step = planKeys(this.openAll(keys), this.now(), this.options.schedule, this.signer === undefined);
      if (step.do === 'nothing') break;
      await this.take(step);
      keys = await this.options.table.all();
    }
    const active = keys.find(({ state }) => state === 'active');
    if (active !== undefined && this.signer === undefined) await this.spread(active);
    this.use(active?.kid, keys);
  }

  private async take(step: KeyStep): Promise<void> {
    const { table, cipher, schedule } = this.options;
    if (step.do === 'rotate') await table.rotate(step.kid, schedule.after);
    if (step.do === 'withdraw') await table.withdraw(step.kid);
    if (step.do !== 'add') return;
    await table.add(await makeSigningKey(cipher));
    await this.options.made?.();
  }

  private use(kid: string | undefined, keys: readonly SigningKeyRow[]): void {
    const key = kid === undefined ? undefined : this.opened.get(kid);
    // where the active one does not open, the one before it goes on: it is published for a while
    if (kid !== undefined && key !== undefined) this.signer = { kid, key };
    this.published = keys.map(({ kid: name, publicKey }) => ({ kid: name, publicKey }));
    for (const name of this.opened.keys()) if (!keys.some((stored) => stored.kid === name)) this.opened.delete(name);
  }

  /** The keys, each opened once, and told of where it does not open. */
  private openAll(keys: readonly SigningKeyRow[]): (SigningKeyRow & { readonly opens: boolean })[] {
    const fresh = keys.filter(({ kid }) => !this.opened.has(kid));
    for (const key of fresh) this.opened.set(key.kid, openSigningKey(this.options.cipher, key));
    const closed = fresh.filter(({ kid }) => this.opened.get(kid) === undefined).map(({ kid }) => kid);
    if (closed.length > 0) this.options.unopened?.(closed);
    return keys.map((key) => ({ ...key, opens: this.opened.get(key.kid) !== undefined }));
  }

  /** A key that was made just now, by whichever replica, is not known to all who verify. */
  private spread({ createdAt }: SigningKeyRow): Promise<void> {
    const { spreadMs = 0 } = this.options;
    const wait = Math.min(spreadMs, createdAt.getTime() + spreadMs - this.now());
    return wait > 0 ? new Promise((resolve) => setTimeout(resolve, wait)) : Promise.resolve();
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }
}
