/** A sleep that can be cut short. A poke while nobody sleeps is remembered and cuts the next sleep short, so none is ever lost. */
export class Pulse {
  #poked = false;
  #wake: (() => void) | undefined;

  poke(): void {
    this.#poked = true;
    this.#wake?.();
  }

  /** Resolves after `ms`, or at once when poked; true in the latter case. One sleeper at a time. */
  async sleep(ms: number): Promise<boolean> {
    if (!this.#poked) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    const poked = this.#poked;
    this.#poked = false;
    return poked;
  }
}
