import type { StorageKey } from '../blob-storage.js';

/*
 * <root>/                                        the storage's folder, nothing else may live in it
 *   0195c0/                                      first 6 hex digits of the keys inside: 2^24 ms, about 4.6 hours of uploads
 *     0195c0de-89ab-7cde-8f01-23456789abcd       one object under its final name from the first byte on; never renamed, never rewritten
 *   .probe-<pid>-<n>                             lives for a millisecond while check() runs
 *
 * Directories by time keep one directory small, let the writers of a moment share one fsync of it, and leave an old directory alone:
 * its pages and its dentries are not touched again by new uploads.
 */

/** The directory of a key, relative to the root. */
export function directoryName(key: StorageKey): string {
  return key.slice(0, 6);
}

export function directoryPath(root: string, key: StorageKey): string {
  return `${root}/${directoryName(key)}`;
}

export function objectPath(root: string, key: StorageKey): string {
  return `${directoryPath(root, key)}/${key}`;
}
