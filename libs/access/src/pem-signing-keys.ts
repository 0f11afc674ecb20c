import { FileWatch } from '@waybill/platform';
import { readPemKeys } from './pem-keys.js';
import type { PemKey } from './pem-keys.js';
import type { Signing, SigningKeysOptions } from './signing-keys.js';
import type { SigningKeyRow, SigningKeyTable } from './signing-key-table.js';

export interface PemSigningKeysOptions extends Pick<SigningKeysOptions, 'failed' | 'made' | 'spreadMs' | 'now' | 'everyMs'> {
  /** A file or a folder (readPemKeys). */
  readonly path: string;
  /** Where the public halves stand, for those who verify. */
  readonly table: Pick<SigningKeyTable, 'all' | 'add' | 'rotate'>;
  /** Milliseconds for which a key that does not sign any more stays published there. */
  readonly after: number;
  /** Milliseconds between two looks at the files. */
  readonly fileMs?: number;
}

const EVERY_MS = 2_000;
/** Of the first look, each a key that somebody else has begun to publish. */
const ATTEMPTS = 10;

/**
 * Keys in PEM files, of which the newest signs. The files are the administrator's: this class makes none and writes none. A new key is published in the database
 * before it signs, and the one before it until nothing that it signed is alive, by the same rows as encrypted keys have, with nothing private in them. Replicas
 * whose files are not the same for a while sign with the newest that they have, as long as that is published.
 */
export class PemSigningKeys implements Signing {
  private files: readonly PemKey[] = [];
  private signer: PemKey | undefined;
  private stored: readonly SigningKeyRow[] = [];
  /** When this process first saw a key, by its own clock. */
  private readonly seen = new Map<string, number>();
  private timer: NodeJS.Timeout | undefined;
  private turning: Promise<void> | undefined;
  private readonly watch: FileWatch;

  constructor(private readonly options: PemSigningKeysOptions) {
    this.watch = new FileWatch({
      paths: [options.path],
      everyMs: options.fileMs ?? EVERY_MS,
      read: async () => void (this.files = await readPemKeys(options.path)),
      failed: (error, again) => {
        if (!again) options.failed(error);
      },
    });
  }

  /** Resolves once there is a key to sign with. @throws in words for a person, where the files cannot be used; DependencyUnavailable */
  async start(): Promise<void> {
    await this.watch.start();
    for (let attempt = 0; this.signer === undefined && attempt < ATTEMPTS; attempt += 1) {
      await this.turn();
      if (this.signer === undefined) await new Promise((resolve) => setTimeout(resolve, this.options.spreadMs ?? 0));
    }
    if (this.signer === undefined) throw new Error('none of the keys of auth.tokens.keys came to be published; another replica may have other files');
    this.timer = setInterval(() => void this.turn().catch((error: unknown) => this.options.failed(error)), this.options.everyMs ?? EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.watch.stop();
    await this.turning?.catch(() => undefined);
  }

  current(): { readonly kid: string; readonly key: PemKey['key'] } {
    if (this.signer === undefined) throw new Error('There is no signing key: PemSigningKeys was not started.');
    return this.signer;
  }

  check(): Promise<void> {
    if (this.stored.some(({ kid }) => kid === this.signer?.kid)) return Promise.resolve();
    return Promise.reject(new Error('the key that this process signs with is published no longer, and the newest one of auth.tokens.keys is not published yet'));
  }

  /** Those of the files, and those of the database that a living token may be signed with. */
  publicKeys(): readonly Pick<SigningKeyRow, 'kid' | 'publicKey'>[] {
    const others = this.stored.filter(({ kid }) => this.files.every((file) => file.kid !== kid));
    return [...others, ...this.files].map(({ kid, publicKey }) => ({ kid, publicKey }));
  }

  /** Looks at the table, and does what is due. One look at a time. */
  turn(): Promise<void> {
    this.turning ??= this.look().finally(() => (this.turning = undefined));
    return this.turning;
  }

  private async look(): Promise<void> {
    const newest = this.files.at(-1);
    if (newest === undefined) return;
    this.stored = await this.options.table.all();
    if (await this.advance(newest)) this.stored = await this.options.table.all();
    const mine = this.stored.find(({ kid }) => kid === newest.kid);
    if (mine !== undefined && mine.state !== 'next' && this.isKnown(mine)) this.signer = newest;
  }

  /** Whether whoever verifies has looked since it was published; by our clock too, because that of the database may be ahead of it. */
  private isKnown({ kid, createdAt }: SigningKeyRow): boolean {
    const { spreadMs = 0, now = Date.now } = this.options;
    const seen = this.seen.get(kid) ?? now();
    this.seen.set(kid, seen);
    return now() >= Math.min(createdAt.getTime(), seen) + spreadMs;
  }

  /** One step towards the newest key: another replica may have done it. Whether something was done. */
  private async advance({ kid, publicKey }: PemKey): Promise<boolean> {
    const { table, after, made } = this.options;
    const [mine, active, next] = [this.stored.find((row) => row.kid === kid), ...(['active', 'next'] as const).map((state) => this.stored.find((row) => row.state === state))];
    if (active !== undefined && next !== undefined) {
      // somebody else's has its turn too: to take it away again would be a quarrel of replicas with different files
      if (!this.isKnown(next)) return false;
      await table.rotate(active.kid, after);
      return true;
    }
    if (mine !== undefined) return false;
    await table.add({ kid, publicKey, sealed: Buffer.alloc(0) });
    await made?.();
    return true;
  }
}
