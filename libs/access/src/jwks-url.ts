import type { VerificationKey } from './key-set.js';
import { keysOfJwks } from './public-keys.js';
import { ReloadingKeySet } from './reloading-key-set.js';
import type { KeySetEvents } from './reloading-key-set.js';

export interface JwksUrlOptions extends KeySetEvents {
  readonly url: string;
  /** Milliseconds from one look to the next: a new key has to be published for that long before it signs. */
  readonly everyMs: number;
  readonly startMs?: number;
}

const MAX_BYTES = 256 * 1024;
const TIMEOUT = 10_000;
/** Milliseconds that the token server may take to be there when we start. */
const START = 30_000;

/**
 * A JWK Set that another server publishes. Only that URL is ever asked, whatever a token or an answer says: a redirect is a fault, and so is an answer that is
 * larger than a set of keys.
 */
export class JwksUrl extends ReloadingKeySet {
  constructor({ url, everyMs, startMs = START, ...events }: JwksUrlOptions) {
    super(url, { ...events, everyMs, startMs });
  }

  protected async load(): Promise<readonly VerificationKey[]> {
    return keysOfJwks(await this.fetchText());
  }

  private async fetchText(): Promise<string> {
    const response = await fetch(this.where, { redirect: 'manual', headers: { accept: 'application/json' }, signal: AbortSignal.timeout(TIMEOUT) });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the answer has the status ${response.status}, expected 200${response.status >= 300 && response.status < 400 ? ': redirects are not followed' : ''}`);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > MAX_BYTES) throw new Error(`the answer has more than ${MAX_BYTES} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }
}
