import { constants, mkdirSync, openSync } from 'node:fs';
import type { StorageKey } from '../blob-storage.js';
import { WriterMisuse } from '../errors.js';
import { hasCode, openFile } from './disk.js';
import { directoryPath, objectPath } from './layout.js';

const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
const MODE = 0o640;

/** Makes the empty file of a key, and its directory where that is missing. @throws WriterMisuse where the key has a file */
export async function createFile(root: string, key: StorageKey): Promise<number> {
  const path = objectPath(root, key);
  try {
    return await openFile(path, CREATE, MODE);
  } catch (error) {
    makeDirectory(root, key, error);
    return openFile(path, CREATE, MODE);
  }
}

/** The same on the event loop. */
export function createFileNow(root: string, key: StorageKey): number {
  const path = objectPath(root, key);
  try {
    return openSync(path, CREATE, MODE);
  } catch (error) {
    makeDirectory(root, key, error);
    return openSync(path, CREATE, MODE);
  }
}

/** Not recursive: where the root is gone (a disk that is not mounted), objects must not land on the disk below it. */
function makeDirectory(root: string, key: StorageKey, error: unknown): void {
  if (hasCode(error, 'EEXIST')) throw new WriterMisuse(key, 'is the second one of this key; make a new key for every upload');
  if (!hasCode(error, 'ENOENT')) throw error;
  try {
    mkdirSync(directoryPath(root, key), { mode: 0o750 });
  } catch (failure) {
    if (!hasCode(failure, 'EEXIST')) throw failure;
  }
}
