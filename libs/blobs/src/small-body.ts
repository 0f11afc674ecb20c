import type { IncomingMessage } from 'node:http';

/** Bytes up to which a body is taken whole before anything is written. */
export const SMALL_BODY = 64 * 1024;
/** Milliseconds in which it has to be there: a writer that takes its time claims the session first. */
const AT_ONCE = 20;

/** What came of a body so far; `ended` where that is all of it. */
export interface BodyStart {
  readonly chunks: readonly Buffer[];
  readonly size: number;
  readonly ended: boolean;
}

/**
 * Takes a body that is small and comes at once. Otherwise the source is left paused, with what was taken in `chunks`: nothing is lost,
 * and whoever reads on sees the rest. A client that goes away meanwhile leaves a start that has not ended.
 */
export function takeSmallBody(source: IncomingMessage): Promise<BodyStart> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > SMALL_BODY) settle(false);
    };
    const end = (): void => settle(true);
    const later = (): void => settle(false);
    const settle = (ended: boolean): void => {
      clearTimeout(patience);
      source.off('data', take).off('end', end).off('close', later).off('error', later);
      if (!ended) source.pause();
      resolve({ chunks, size, ended });
    };
    const patience = setTimeout(later, AT_ONCE);
    if (source.readableEnded) end();
    else if (source.destroyed || Number(source.headers['content-length'] ?? 0) > SMALL_BODY) later();
    else source.on('data', take).on('end', end).on('close', later).on('error', later);
  });
}
