import { createHash, randomBytes } from 'node:crypto';

/** `size` bytes that no earlier test pushed. */
export function freshBytes(size: number): Buffer {
  return randomBytes(size);
}

/** `size` bytes that follow from `seed`, so that a failing test can be repeated with the same content. */
export function seededBytes(seed: string, size: number): Buffer {
  const blocks: Buffer[] = [];
  for (let have = 0, i = 0; have < size; have += 64, i += 1) blocks.push(createHash('sha512').update(`${seed}/${i}`).digest());
  return Buffer.concat(blocks).subarray(0, size);
}

/** The bytes in pieces of at most `size`, for bodies that are sent chunked. */
export async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}
