import { readTlsMaterial } from './tls-material.js';
import type { TlsMaterial, TlsSettings } from './tls-material.js';

/** Milliseconds between two looks at the files. */
const LOOK_MS = 5_000;

export interface TlsReloadOptions {
  readonly settings: TlsSettings;
  /** What is served already. */
  readonly material: TlsMaterial;
  /** Serves new contents from now on; where it throws, the old ones stay. */
  readonly use: (material: TlsMaterial, before: TlsMaterial) => void;
  /** Told once for each new reason, not at every look. */
  readonly onRefused: (error: Error) => void;
  readonly lookMs?: number;
}

/**
 * Follows the files of a TLS listener. They are read again every few seconds, a few KiB, rather than watched: a rename, the swap of a
 * symbolic link above them, a network file system and a file that comes back all look the same that way. Half of a renewal (the new certificate
 * beside the old key) does not fit together and is passed over until the other half is there.
 */
export class TlsReload {
  /** Contents that were taken since the start, and looks that found some which cannot be used. */
  readonly counts = { loaded: 0, refused: 0 };
  #material: TlsMaterial;
  #refusal = '';
  #looking: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly options: TlsReloadOptions) {
    this.#material = options.material;
    this.#timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS).unref();
  }

  /** What is served. */
  get material(): TlsMaterial {
    return this.#material;
  }

  /** Reads the files now; resolves when what they hold is served or refused. */
  look(): Promise<void> {
    return (this.#looking ??= this.#read().finally(() => (this.#looking = undefined)));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #read(): Promise<void> {
    const { settings, use, onRefused } = this.options;
    try {
      const material = await readTlsMaterial(settings);
      if (material.digest !== this.#material.digest) {
        use(material, this.#material);
        this.#material = material;
        this.counts.loaded += 1;
      }
      this.#refusal = '';
    } catch (error) {
      this.counts.refused += 1;
      const refused = error instanceof Error ? error : new Error(String(error));
      if (refused.message === this.#refusal) return;
      this.#refusal = refused.message;
      onRefused(refused);
    }
  }
}
