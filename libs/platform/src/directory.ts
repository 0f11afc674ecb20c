import { lstatSync, mkdirSync, readlinkSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { errorCode } from './error-code.js';

const SHOWN = 200;

/** What a directory is for, in the words of its refusal. */
export interface DirectoryUse {
  /** Completes "The ... directory". */
  readonly name: string;
  /** The variable that names it. */
  readonly setting: string;
}

/**
 * Makes a directory and those above it that are missing, and gives the ones it made from the top down. Throws what the system says of the
 * first that cannot be made, or ENOTDIR where the path is there and no directory. Node's own `recursive` never ends below /proc, where a
 * directory is said to be missing as often as one tries to make it, and tells ENOENT where the file system is read-only.
 */
export function makeDirectories(directory: string, mode = 0o777): readonly string[] {
  const missing: string[] = [];
  let above = resolve(directory);
  for (; statSync(above, { throwIfNoEntry: false }) === undefined; above = dirname(above)) missing.unshift(above);
  if (!statSync(above).isDirectory()) throw Object.assign(new Error(`${above} is no directory`), { code: 'ENOTDIR' });
  return missing.filter((path) => makeDirectory(path, mode));
}

/** False where somebody else made it meanwhile. */
function makeDirectory(path: string, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return false;
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) throw error;
    throw new Error(`${path} is a link to ${readlinkSync(path)}, which is not there`, { cause: error });
  }
}

/** Why a directory cannot be used and what to do about it, in plain words. */
export function directoryFault(use: DirectoryUse, directory: string, reason: unknown): string {
  const path = resolve(directory);
  const subject = `The ${use.name} directory ${path.length > SHOWN ? `${path.slice(0, SHOWN)}…` : path}`;
  return `${subject} ${complaint(reason)}, or choose another directory with ${use.setting}.`;
}

function complaint(reason: unknown): string {
  const user = process.getuid === undefined ? 'the user of this process' : `the user of this process (uid ${process.getuid()})`;
  switch (errorCode(reason)) {
    case 'EEXIST':
    case 'ENOTDIR':
      return 'cannot be used: it, or what stands above it, is a file; expected a directory. Move the file away';
    case 'EACCES':
    case 'EPERM':
      return `cannot be written by ${user}. Start Waybill as the user who owns it, give it to that user with chown`;
    case 'EROFS':
      return 'is on a file system that is mounted read-only. Mount it for writing';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'is on a file system that is full. Free some space';
    case 'ENAMETOOLONG':
      return 'cannot be used: its path, or a name in it, is longer than the file system takes. Make it shorter';
    case 'ENOENT':
      return 'cannot be made: the file system there takes no directories of ours. Mend that';
    default:
      return `cannot be used: ${reason instanceof Error ? reason.message : String(reason)}. Mend that`;
  }
}
