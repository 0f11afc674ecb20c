import { readFile, stat } from 'node:fs/promises';
import type { VerificationKey } from './key-set.js';
import { keysOfCertificates, keysOfJwks } from './public-keys.js';
import { ReloadingKeySet } from './reloading-key-set.js';
import type { KeySetEvents } from './reloading-key-set.js';

/** Milliseconds between two looks at a file: a rotation takes effect within that. */
const LOOK_EVERY = 2000;
/** Bytes of a file of keys. */
const MAX_BYTES = 1024 * 1024;
/** Milliseconds after which a file is read again though nobody touched it: a certificate expires by itself. */
const READ_EVERY = 60_000;

/** Keys in a file that is replaced when they change. Read by polling: mounted secrets are links that move, and no watch tells of those reliably. */
abstract class KeyFile extends ReloadingKeySet {
  private seen = '';
  private readAt = 0;

  constructor(path: string, events: KeySetEvents, everyMs = LOOK_EVERY) {
    super(path, { ...events, everyMs, startMs: 0 });
  }

  protected abstract parse(text: string): readonly VerificationKey[];

  protected async load(): Promise<readonly VerificationKey[] | undefined> {
    const { mtimeMs, size, ino } = await stat(this.where);
    const version = `${mtimeMs} ${size} ${ino}`;
    if (version === this.seen && performance.now() - this.readAt < READ_EVERY) return undefined;
    if (size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
    const keys = this.parse(await readFile(this.where, 'utf8'));
    // what could not be used is read again at each look
    if (keys.length > 0) [this.seen, this.readAt] = [version, performance.now()];
    return keys;
  }
}

/** A JWK Set in a file. */
export class JwksFile extends KeyFile {
  protected parse(text: string): readonly VerificationKey[] {
    return keysOfJwks(text);
  }
}

/** Certificates in PEM, one after the other. */
export class CertificateFile extends KeyFile {
  protected parse(text: string): readonly VerificationKey[] {
    return keysOfCertificates(text, new Date());
  }
}
