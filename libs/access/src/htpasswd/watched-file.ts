import { open, stat } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';

export interface WatchedFileOptions {
  readonly path: string;
  /** Milliseconds between two looks. */
  readonly everyMs: number;
  /** Takes the text of the file, at first and whenever it changed. What it throws keeps the file from being taken. */
  take(text: string): void;
  /** A change that could not be taken; told once for each change. */
  refused(error: unknown): void;
}

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * A small file that is read again when it changed. It is looked at by its path every so often rather than watched: an inode tells of no file that
 * was renamed over it, a folder of none behind symbolic links that are swapped (as Kubernetes does with secrets), and some file systems tell nothing.
 */
export class WatchedFile {
  private known = '';
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly options: WatchedFileOptions) {}

  /** Reads the file and goes on looking. @throws what is wrong with it, also what `take` throws; nothing is running then */
  async start(): Promise<void> {
    const { text, state } = await this.read();
    this.options.take(text);
    this.known = state;
    this.again();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private again(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => { void this.look().finally(() => this.again()); }, this.options.everyMs).unref();
  }

  private async look(): Promise<void> {
    let seen = 'missing';
    try {
      seen = stateOf(await stat(this.options.path, { bigint: true }));
      if (seen === this.known) return;
      const { text, state } = await this.read();
      if (this.stopped) return;
      this.known = state;
      this.options.take(text);
    } catch (error) {
      if (error instanceof Unsettled) return;          // somebody is writing it: the next look decides
      if (seen === 'missing' && this.known === seen) return;
      this.known = seen;
      if (!this.stopped) this.options.refused(error);
    }
  }

  /** The text, and the state that it belongs to: the same before it was read and after. */
  private async read(): Promise<{ text: string; state: string }> {
    if (!(await stat(this.options.path)).isFile()) throw new Error('it is no file');      // to open a named pipe would wait for its writer
    const file = await open(this.options.path, 'r');
    try {
      const before = await file.stat({ bigint: true });
      if (before.size > MAX_BYTES) throw new Error(`it has ${before.size} bytes: expected at most ${MAX_BYTES}`);
      const text = await file.readFile('utf8');
      const state = stateOf(before);
      if (stateOf(await file.stat({ bigint: true })) !== state) throw new Unsettled('it changes while it is read');
      return { text, state };
    } finally {
      await file.close();
    }
  }
}

class Unsettled extends Error {}

function stateOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}
