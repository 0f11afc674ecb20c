import { types } from 'node:util';
import { KeySet } from './key-set.js';
import type { VerificationKey } from './key-set.js';

/** Told when keys could not be read, and when they were again. */
export interface KeySetEvents {
  /** The keys that were there stay in use. */
  readonly failed: (error: Error) => void;
  readonly changed: (kids: readonly string[]) => void;
}

/** Keys that come from somewhere else and are replaced as a whole. */
export abstract class ReplacedKeySet extends KeySet {
  private keys: ReadonlyMap<string, VerificationKey> = new Map();

  /** @param where the path or the URL, for messages */
  constructor(protected readonly where: string, private readonly changed: KeySetEvents['changed']) {
    super();
  }

  find(kid: string): VerificationKey | undefined {
    return this.keys.get(kid);
  }

  only(): VerificationKey | undefined {
    const [first, ...others] = this.keys.values();
    // one key may have several names
    return others.every(({ key }) => key === first?.key) ? first : undefined;
  }

  /** Takes what `load` gives in the place of all keys. Rejects in words for a person; the keys that were there stay then. */
  protected async replaceBy(load: () => Promise<readonly VerificationKey[]>): Promise<void> {
    try {
      const loaded = await load();
      if (loaded.length === 0) throw new Error('there is no key in it that signatures can be checked with');
      const before = [...this.keys.keys()].sort().join('\n');
      this.keys = keysByKid(loaded);
      const kids = [...this.keys.keys()].sort();
      if (kids.join('\n') !== before) this.changed(kids);
    } catch (error) {
      throw new Error(`the keys of ${this.where} cannot be used: ${describe(error)}`, { cause: error });
    }
  }
}

export interface ReloadingKeySetOptions extends KeySetEvents {
  /** Milliseconds from one look to the next. */
  readonly everyMs: number;
  /** Milliseconds for which `start` tries again before it gives up. */
  readonly startMs: number;
}

/** Milliseconds between two tries of `start`, and after a look that failed. */
const RETRY = 1000;

/** Keys that are asked for again and again: a rotation needs no restart. Whatever goes wrong with a look, the keys of the last good one stay. */
export abstract class ReloadingKeySet extends ReplacedKeySet {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private looking: Promise<void> | undefined;
  private failing = false;

  constructor(where: string, private readonly options: ReloadingKeySetOptions) {
    super(where, options.changed);
  }

  /** All keys. Rejects in words for a person. */
  protected abstract load(): Promise<readonly VerificationKey[]>;

  async start(): Promise<void> {
    const giveUpAt = performance.now() + this.options.startMs;
    for (;;) {
      try {
        await this.reload();
        break;
      } catch (error) {
        if (this.stopped || performance.now() >= giveUpAt) throw error;
        this.options.failed(asError(error));
        await new Promise((resolve) => setTimeout(resolve, Math.min(RETRY, this.options.startMs)));
      }
    }
    this.plan(this.options.everyMs);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  private plan(milliseconds: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.looking = this.look();
    }, milliseconds).unref();
  }

  private async look(): Promise<void> {
    try {
      await this.reload();
      this.failing = false;
      this.plan(this.options.everyMs);
    } catch (error) {
      // once for as long as it lasts: a server that is away for an hour is one fault
      if (!this.failing) this.options.failed(asError(error));
      this.failing = true;
      this.plan(Math.max(RETRY, Math.min(this.options.everyMs, 10 * RETRY)));
    }
  }

  private reload(): Promise<void> {
    return this.replaceBy(() => this.load());
  }
}

/** @throws where one name stands for two keys */
function keysByKid(keys: readonly VerificationKey[]): ReadonlyMap<string, VerificationKey> {
  const named = new Map<string, VerificationKey>();
  for (const key of keys) {
    const other = named.get(key.kid);
    if (other !== undefined && !other.key.equals(key.key)) throw new Error(`two different keys have the kid ${JSON.stringify(key.kid)}`);
    named.set(key.kid, other ?? key);
  }
  return named;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function describe(error: unknown): string {
  if (!types.isNativeError(error)) return String(error);
  return types.isNativeError(error.cause) ? `${error.message} (${error.cause.message})` : error.message;
}
