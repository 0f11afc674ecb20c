import type { BigIntStats } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from './error-code.js';

export interface FileWatchOptions {
  /** Files, and folders that stand for every file in them whose name does not begin with a dot. */
  readonly paths: readonly string[];
  /** Milliseconds between two looks. */
  readonly everyMs: number;
  /** Milliseconds after which the files are read again though nobody touched them, because what they hold changes its worth with time; never unless given. */
  readonly rereadMs?: number;
  /** Reads the files and takes what they hold. What it throws keeps them from being taken, and the next look reads them again. */
  readonly read: () => void | Promise<void>;
  /** A look that failed. @param again whether the look before failed in the same words */
  readonly failed: (error: Error, again: boolean) => void;
}

/**
 * Small files that are read again when they changed. They are looked at by their path every so often rather than watched: an inode tells of no file that was
 * renamed over it, a folder of none behind symbolic links that are swapped (as Kubernetes does with secrets), and some file systems tell nothing.
 */
export class FileWatch {
  private known: string | undefined;
  private readAt = 0;
  private failure: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  private looking: Promise<void> | undefined;

  constructor(private readonly options: FileWatchOptions) {}

  /** Reads the files and goes on looking. @throws what `read` throws; nothing is running then */
  async start(): Promise<void> {
    await this.read(await stateOf(this.options.paths));
    this.follow();
  }

  /** Looks from now on, for whoever has read the files already; the first look reads them again. */
  follow(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.look().finally(() => this.follow()), this.options.everyMs).unref();
  }

  /** Resolves when a look that runs has ended; none is begun any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  /** Looks now. Never rejects. */
  look(): Promise<void> {
    return (this.looking ??= this.lookOnce().finally(() => (this.looking = undefined)));
  }

  private async lookOnce(): Promise<void> {
    try {
      const state = await stateOf(this.options.paths);
      const isDue = performance.now() - this.readAt >= (this.options.rereadMs ?? Infinity);
      if (state === this.known && !isDue) return;
      await this.read(state);
    } catch (error) {
      // somebody is writing: the next look decides
      if (isUnsettled(error) || this.stopped) return;
      const failure = error instanceof Error ? error : new Error(String(error));
      const again = failure.message === this.failure;
      this.failure = failure.message;
      this.options.failed(failure, again);
    }
  }

  /** @param state of before: what changes meanwhile is another one at the next look */
  private async read(state: string): Promise<void> {
    this.known = undefined;
    await this.options.read();
    [this.known, this.readAt, this.failure] = [state, performance.now(), undefined];
  }
}

/** The text of a file that did not change while it was read. @throws in words for a person */
export async function readSettled(path: string, maxBytes: number): Promise<string> {
  if (!(await stat(path)).isFile()) throw new Error('it is no file');      // to open a named pipe would wait for its writer
  const file = await open(path, 'r');
  try {
    const before = await file.stat({ bigint: true });
    if (before.size > maxBytes) throw new Error(`it has ${before.size} bytes: expected at most ${maxBytes}`);
    const text = await file.readFile('utf8');
    if (versionOf(await file.stat({ bigint: true })) !== versionOf(before)) throw new Unsettled('it changes while it is read');
    return text;
  } finally {
    await file.close();
  }
}

/** The files of a folder, by name, but those whose name begins with a dot; of a file, itself. @throws where there is neither */
export async function filesOf(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
  return names.map((name) => join(path, name));
}

class Unsettled extends Error {}

/** Also where whoever read has put it into words of their own. */
function isUnsettled(error: unknown): boolean {
  return error instanceof Unsettled || (error instanceof Error && error.cause instanceof Unsettled);
}

async function stateOf(paths: readonly string[]): Promise<string> {
  const states = await Promise.all(paths.map(async (path) => {
    try {
      const files = await filesOf(path);
      return await Promise.all(files.map(async (file) => `${file}:${versionOf(await stat(file, { bigint: true }))}`));
    } catch (error) {
      return [errorCode(error) ?? 'away'];
    }
  }));
  return JSON.stringify(states);
}

function versionOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}
