import type { Hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { BlobWriter } from '@waybill/blob-storage';
import { countChunk, freeChunk } from '@waybill/platform';

/** How a body ended: at its end, or with the client gone before it. */
export type TransferEnd = 'complete' | 'aborted';

/**
 * Moves `head`, which was taken from a body already, and the rest of the body into a writer, and through `hash` where there is one. The source
 * stops while the writer asks to wait. Resolves when every received byte was taken; rejects when the writer fails, with the rest unread.
 */
export async function transfer(source: IncomingMessage, writer: BlobWriter, hash: Hash | undefined, head: readonly Buffer[] = []): Promise<TransferEnd> {
  for (const chunk of head) {
    hash?.update(chunk);
    await writer.write(chunk);
  }
  return moveRest(source, writer, hash);
}

function moveRest(source: IncomingMessage, writer: BlobWriter, hash: Hash | undefined): Promise<TransferEnd> {
  return new Promise((resolve, reject) => {
    let waiting: Promise<void> | undefined;
    let ended: TransferEnd | undefined;

    const finish = (end: TransferEnd): void => {
      if (ended !== undefined) return;
      ended = end;
      if (waiting === undefined) settle();
    };
    const settle = (): void => {
      detach();
      if (ended !== undefined) resolve(ended);
    };
    const fail = (error: unknown): void => {
      detach();
      source.pause();
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      hash?.update(chunk);
      waiting = writer.write(chunk);
      if (waiting === undefined) return letGo(chunk);
      source.pause();
      waiting.then(() => {
        waiting = undefined;
        letGo(chunk);
        if (ended === undefined) source.resume();
        else settle();
      }, fail);
    };
    const letGo = (chunk: Buffer): void => {
      if (writer.keepsChunks) countChunk(chunk.length);
      else freeChunk(chunk);
    };
    const complete = (): void => finish('complete');
    // 'close' follows 'end' on a whole body; without it the client went away. 'error' (ECONNRESET) says the same.
    const aborted = (): void => finish('aborted');
    const detach = (): void => {
      source.off('data', take).off('end', complete).off('close', aborted).off('error', aborted);
    };
    source.on('data', take).on('end', complete).on('close', aborted).on('error', aborted);
    if (source.readableEnded) complete();
    else if (source.destroyed) aborted();
    else source.resume();
  });
}

/** Bytes announced; undefined for a chunked body. */
export function announcedLength(request: IncomingMessage): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined;
  return Number(request.headers['content-length'] ?? 0);
}
