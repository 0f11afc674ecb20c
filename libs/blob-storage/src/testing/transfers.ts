import { randomFillSync } from 'node:crypto';
import type { BlobStorage, BlobWriter, ByteRange, StorageKey } from '../blob-storage.js';

/** Random bytes: neither compressible nor equal to those of another test. */
export function bytesOf(size: number): Buffer {
  return randomFillSync(Buffer.allocUnsafe(size));
}

/** Writes and commits `bytes` in chunks of `chunk`, as a request body would come. */
export async function upload(storage: BlobStorage, key: StorageKey, bytes: Buffer, chunk: number, size?: number): Promise<BlobWriter> {
  const writer = storage.create(key, size);
  for (let offset = 0; offset < bytes.length; offset += chunk) await writer.write(bytes.subarray(offset, offset + chunk));
  await writer.commit();
  return writer;
}

export async function readAll(storage: BlobStorage, key: StorageKey, range?: ByteRange): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await storage.read(key, range, async chunk => {
    chunks.push(Buffer.from(chunk));
  });
  return Buffer.concat(chunks);
}
