import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 500;

/** The data directory cannot be used as it is. The message says why and what to do; nothing in the directory was changed. */
export class DataDirectoryRefused extends Error {
  override readonly name = 'DataDirectoryRefused';
}

/**
 * Exclusive use of one data directory by one process. The lock is a POSIX record lock, so the kernel gives it back
 * however the process ends, it holds between containers that share the directory, and no stale file ever has to be judged.
 */
export class DataDirectoryLock {
  private constructor(private readonly handle: { close(): void }) {}

  /**
   * Creates the directory where it is missing. Throws DataDirectoryRefused when another process, or this one, holds the lock
   * for longer than a killed predecessor needs to end.
   */
  static async take(directory: string): Promise<DataDirectoryLock> {
    mkdirSync(directory, { recursive: true });
    const holder = join(directory, 'lock.pid');
    for (const end = Date.now() + PATIENCE_MS; ; await sleep(25)) {
      const handle = await tryLock(join(directory, 'lock'));
      if (handle !== undefined) {
        writeFileSync(holder, `${process.pid}\n`);
        return new DataDirectoryLock(handle);
      }
      if (Date.now() > end) throw inUse(directory, holder);
    }
  }

  /** Harmless when repeated. */
  release(): void {
    try {
      this.handle.close();
    } catch {
      // already closed
    }
  }
}

/** Node has no flock; SQLite's own lock on an empty database is one, costs 2 MB, and nothing is ever written to the file. */
async function tryLock(file: string): Promise<{ close(): void } | undefined> {
  const { DatabaseSync } = await import('node:sqlite');
  const handle = new DatabaseSync(file);
  try {
    handle.exec('PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return handle;
  } catch (error) {
    handle.close();
    if (isBusy(error)) return undefined;
    throw new DataDirectoryRefused(`The lock file ${file} cannot be used: ${String(error)}.`, { cause: error });
  }
}

function inUse(directory: string, holder: string): DataDirectoryRefused {
  let pid = '';
  try {
    pid = ` (pid ${readFileSync(holder, 'utf8').trim()})`;
  } catch {
    // the holder has not written it yet
  }
  return new DataDirectoryRefused(
    `The data directory ${resolve(directory)} is in use by another Waybill process${pid}. Stop that process first, or give this one a directory of its own with WAYBILL_DATA_DIR.`,
  );
}

function isBusy(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'errcode' in error && error.errcode === 5;
}
