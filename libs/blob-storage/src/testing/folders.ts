import { readdirSync, readlinkSync } from 'node:fs';
import { readdir } from 'node:fs/promises';

/** Names of the files below `root`. */
export async function filesOf(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter(entry => entry.isFile()).map(entry => entry.name);
}

/** Descriptors that this process holds on what is below `root`, on deleted files included. */
export function openDescriptors(root: string): number {
  return readdirSync('/proc/self/fd').filter(fd => targetOf(fd).startsWith(root)).length;
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';                                        // the one that listed the others
  }
}
