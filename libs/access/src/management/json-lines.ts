import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Exchange, HeaderList } from '@waybill/platform';

export const JSON_LINES = 'application/jsonl';

/** Characters that are written at a time. */
const CHUNK = 64 * 1024;

/**
 * Answers with lines, as fast as the client reads and no faster: what waits in memory is two chunks and what the source holds itself. Where the source
 * fails before its first line, its error is the answer; later the connection is cut, and the client misses the last chunk. Where the client goes, the source is ended.
 */
export async function sendLines(exchange: Exchange, headers: HeaderList, lines: AsyncIterable<string>): Promise<void> {
  const chunks = gathered(lines);
  const first = await chunks.next();
  const response = exchange.beginOpen(200, ['Content-Type', JSON_LINES, ...headers]);
  const all = async function* (): AsyncGenerator<string> {
    if (first.done === true) return;
    try {
      yield first.value;
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  };
  await pipeline(Readable.from(counted(all(), exchange), { highWaterMark: 1 }), response);
}

async function* gathered(lines: AsyncIterable<string>): AsyncGenerator<string, void> {
  let chunk = '';
  for await (const line of lines) {
    chunk += `${line}\n`;
    if (chunk.length < CHUNK) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk !== '') yield chunk;
}

/** For log and metrics, which say how much was sent. */
async function* counted(chunks: AsyncIterable<string>, exchange: Exchange): AsyncGenerator<string> {
  for await (const chunk of chunks) {
    exchange.bytes += Buffer.byteLength(chunk);
    yield chunk;
  }
}
