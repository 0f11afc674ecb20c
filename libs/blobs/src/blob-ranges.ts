import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { ByteRange } from '@waybill/blob-storage';
import { formatContentRange } from '@waybill/oci';
import type { BlobRange } from '@waybill/oci';
import type { BlobLink } from './blob-links.js';

/** What a GET of a blob answers: the parts in order, each behind `before` (multipart framing; empty for one part), and `after` at the end. */
export interface RangeReply {
  readonly status: 200 | 206;
  readonly contentType: string | undefined;
  readonly headers: readonly string[];
  readonly length: number;
  readonly parts: readonly { readonly before: string; readonly range: ByteRange }[];
  readonly after: string;
}

/** Lays out the answer to a satisfiable range (RFC 9110 section 14.4 and 14.6). */
export function rangeReply(link: BlobLink, range: Exclude<BlobRange, { kind: 'unsatisfiable' }>): RangeReply {
  if (range.kind === 'whole') return onePart(200, { start: 0, end: link.size - 1 }, []);
  if (range.kind === 'single') return onePart(206, range, ['Content-Range', formatContentRange(range, link.size)]);
  const boundary = randomUUID();
  const parts = range.ranges.map((part, i) => ({
    range: part,
    before: `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: ${formatContentRange(part, link.size)}\r\n\r\n`,
  }));
  const after = `\r\n--${boundary}--\r\n`;
  const length = parts.reduce((sum, part) => sum + part.before.length + lengthOf(part.range), after.length);
  return { status: 206, contentType: `multipart/byteranges; boundary=${boundary}`, headers: [], length, parts, after };
}

/** Writes the parts one behind the other. @param begin writes the head of the response where it is not written yet */
export async function sendRanges(reply: RangeReply, send: (range: ByteRange) => Promise<void>, begin: () => ServerResponse): Promise<void> {
  for (const part of reply.parts) {
    if (part.before !== '') begin().write(part.before);
    if (lengthOf(part.range) > 0) await send(part.range);
  }
  if (reply.after !== '') begin().write(reply.after);
}

function onePart(status: 200 | 206, range: ByteRange, headers: readonly string[]): RangeReply {
  return { status, contentType: undefined, headers, length: lengthOf(range), parts: [{ before: '', range }], after: '' };
}

function lengthOf(range: ByteRange): number {
  return range.end - range.start + 1;
}
