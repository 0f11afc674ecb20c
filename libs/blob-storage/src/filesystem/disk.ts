import { closeSync, fdatasync, fsync, open, openSync, read, unlink, write, writev } from 'node:fs';
import { StorageFull } from '@waybill/oci';

/*
 * The calls of the file system that this adapter waits for, as promises over the callback functions: a FileHandle costs an object, a
 * finaliser and several promises per call, which shows in pushes of small images.
 */

export function openFile(path: string, flags: number, mode?: number): Promise<number> {
  return new Promise((resolve, reject) => open(path, flags, mode, (error, fd) => (error ? reject(error) : resolve(fd))));
}

export function readAt(fd: number, buffer: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => read(fd, buffer, 0, length, position, (error, bytes) => (error ? reject(error) : resolve(bytes))));
}

/** Resolves to the bytes that the kernel took, which may be fewer. */
export function writeAt(fd: number, buffer: Buffer, from: number, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => write(fd, buffer, from, length, position, (error, bytes) => (error ? reject(error) : resolve(bytes))));
}

/** Appends all chunks; the kernel may take fewer bytes than asked, above all before it says that the disk is full. */
export async function writeChunks(fd: number, chunks: readonly Buffer[], bytes: number): Promise<void> {
  for (let rest = chunks, left = bytes; ;) {
    const written = await writeOnce(fd, rest);
    left -= written;
    if (left === 0) return;
    rest = [Buffer.concat(rest).subarray(written)];
  }
}

function writeOnce(fd: number, chunks: readonly Buffer[]): Promise<number> {
  return new Promise((resolve, reject) => writev(fd, chunks, (error, bytes) => (error ? reject(error) : resolve(bytes))));
}

export function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, error => (error ? reject(error) : resolve())));
}

function syncAll(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fsync(fd, error => (error ? reject(error) : resolve())));
}

/** Removes a file; a missing one is success. */
export function removeFile(path: string): Promise<void> {
  return new Promise((resolve, reject) => unlink(path, error => (error && error.code !== 'ENOENT' ? reject(error) : resolve())));
}

/** Fsync of a directory by its path: its entries survive a loss of power. */
export async function syncDirectoryOnce(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    await syncAll(fd);
  } finally {
    closeSync(fd);
  }
}

export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}

/** An error of the file system as callers are to see it: no room (EDQUOT is a user's or project's share of it) is StorageFull. */
export function diskError(error: unknown, root: string): unknown {
  return hasCode(error, 'ENOSPC', 'EDQUOT') ? new StorageFull(`the data folder ${root}`, error) : error;
}
