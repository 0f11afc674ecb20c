import { FileWatch } from '../../file-watch.js';
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
 * Follows the files of a TLS listener. Half of a renewal (the new certificate beside the old key) does not fit together and is passed over until the other half
 * is there.
 */
export class TlsReload {
  /** Contents that were taken since the start, and looks that found some which cannot be used. */
  readonly counts = { loaded: 0, refused: 0 };
  #material: TlsMaterial;
  readonly #watch: FileWatch;

  constructor(private readonly options: TlsReloadOptions) {
    const { settings: { certFile, keyFile, clientCaFile, clientCrlFile }, lookMs, onRefused } = options;
    this.#material = options.material;
    this.#watch = new FileWatch({
      paths: [certFile, keyFile, clientCaFile, clientCrlFile].filter((path) => path !== undefined),
      everyMs: lookMs ?? LOOK_MS,
      read: () => this.#read(),
      failed: (error, again) => {
        this.counts.refused += 1;
        if (!again) onRefused(error);
      },
    });
    this.#watch.follow();
  }

  /** What is served. */
  get material(): TlsMaterial {
    return this.#material;
  }

  stop(): void {
    void this.#watch.stop();
  }

  async #read(): Promise<void> {
    const { settings, use } = this.options;
    const material = await readTlsMaterial(settings);
    if (material.digest === this.#material.digest) return;
    use(material, this.#material);
    this.#material = material;
    this.counts.loaded += 1;
  }
}
