import { FileWatch, readSettled } from '@waybill/platform';
import type { VerificationKey } from './key-set.js';
import { keysOfCertificates, keysOfJwks } from './public-keys.js';
import { ReplacedKeySet } from './reloading-key-set.js';
import type { KeySetEvents } from './reloading-key-set.js';

/** Milliseconds between two looks at a file: a rotation takes effect within that. */
const LOOK_EVERY = 2000;
/** Bytes of a file of keys. */
const MAX_BYTES = 1024 * 1024;
/** Milliseconds after which a file is read again though nobody touched it: a certificate expires by itself. */
const READ_EVERY = 60_000;

/** Keys in a file that is replaced when they change. */
abstract class KeyFile extends ReplacedKeySet {
  private readonly watch: FileWatch;

  constructor(path: string, { failed, changed }: KeySetEvents, everyMs = LOOK_EVERY) {
    super(path, changed);
    this.watch = new FileWatch({
      paths: [path], everyMs, rereadMs: READ_EVERY,
      read: () => this.replaceBy(async () => this.parse(await readSettled(path, MAX_BYTES))),
      failed: (error, again) => {
        if (!again) failed(error);
      },
    });
  }

  protected abstract parse(text: string): readonly VerificationKey[];

  start(): Promise<void> {
    return this.watch.start();
  }

  stop(): Promise<void> {
    return this.watch.stop();
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
