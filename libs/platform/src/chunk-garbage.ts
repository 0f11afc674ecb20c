/**
 * Bytes of chunks after which the dead ones are given back. Measured: 4 to 16 MiB cost the same, 32 MiB 10 % more (their memory is cold when it
 * is written again), and with 2 MiB chunks live through two collections and stay for the next full one.
 */
const COLLECT_AFTER = 8 * 1024 * 1024;

let passed = 0;

/**
 * Counts a chunk that came from the network and dies as soon as it is written. V8 sees some hundred bytes of it, while 64 KiB stand outside its
 * heap: left alone it lets 64 MiB of them pile up and then collects the whole heap, 16 times a GB, where a scavenge would do (ADR 0011). Does
 * nothing where Node was started without --expose-gc.
 */
export function countChunk(bytes: number): void {
  passed += bytes;
  if (passed < COLLECT_AFTER) return;
  passed = 0;
  globalThis.gc?.({ type: 'minor', execution: 'sync' });
}

/**
 * Frees the memory of a chunk now, and not with a scavenge: the next one gets the same 64 KiB while they are in the processor's cache. Nobody may
 * use the chunk afterwards: it has no bytes any more. A chunk that shares its memory with others is counted instead.
 */
export function freeChunk(chunk: Buffer): void {
  const { buffer } = chunk;
  if ('transfer' in buffer && buffer.byteLength === chunk.length) buffer.transfer(0);
  else countChunk(chunk.length);
}
