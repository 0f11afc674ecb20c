import type { NewSigningKey } from '../signing-key.js';
import type { SigningKeyRow } from '../signing-key-table.js';

/** What the table does, on a clock that a test sets; the table has a spec of its own. */
export class MemoryKeys {
  keys: readonly (SigningKeyRow & { readonly until?: number })[] = [];
  constructor(private readonly now: () => number) {}
  all(): Promise<SigningKeyRow[]> {
    this.keys = this.keys.filter(({ until = Infinity }) => until > this.now());
    return Promise.resolve([...this.keys]);
  }
  add(key: NewSigningKey): Promise<void> {
    const isFirst = this.keys.every(({ state }) => state !== 'active');
    if (this.keys.every(({ state }) => state !== 'next')) this.keys = [...this.keys, { ...key, state: isFirst ? 'active' : 'next', createdAt: new Date(this.now()), activatedAt: isFirst ? new Date(this.now()) : undefined }];
    return Promise.resolve();
  }
  rotate(active: string, afterMs: number): Promise<void> {
    this.keys = this.keys.map((key) => {
      if (key.state === 'next') return { ...key, state: 'active', activatedAt: new Date(this.now()) };
      return key.kid === active ? { ...key, state: 'retired', until: this.now() + afterMs } : key;
    });
    return Promise.resolve();
  }
  withdraw(kid: string): Promise<void> {
    this.keys = this.keys.filter((key) => key.kid !== kid || key.state === 'active');
    return Promise.resolve();
  }
}
