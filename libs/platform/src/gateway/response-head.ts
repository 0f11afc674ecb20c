import { isHopByHop, namedByConnection } from './forwarded-headers.js';

/** A replica sent what is no HTTP/1.1 answer in the strict reading of RFC 9112. Where it ends nobody knows, so its connection is not used again. */
export class BadAnswer extends Error {
  override readonly name = 'BadAnswer';
}

/** Bytes of the head of an answer, at most. The longest of a service of ours has a third of it: 100 names of tags, or a Link that repeats 8 KiB of a query. */
export const HEAD_LIMIT = 48 * 1024;

export interface ResponseHead {
  readonly status: number;
  /** Name after name and value, in the replica's spelling, without those that are for one connection only. */
  readonly headers: string[];
  /** Bytes of the body that follows; undefined: it comes in chunks. */
  readonly length: number | undefined;
  /** Whether the replica takes another request on this connection. */
  readonly keepAlive: boolean;
}

const [TAB, LF, CR, SPACE, DELETE] = [9, 10, 13, 32, 127];
const PREFIX = 'HTTP/1.1 ';
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LENGTH = /^\d{1,15}$/;

/**
 * Gives the index after the empty line that ends the head, or -1 where that has not come yet. Looks at each byte once: begin with `from` 0, and with
 * the number of bytes seen when more have come.
 * @throws BadAnswer as soon as it is certain: another protocol, a control character, CR or LF alone, more than HEAD_LIMIT
 */
export function findHeadEnd(bytes: Buffer, from: number): number {
  if (from < PREFIX.length && !PREFIX.startsWith(bytes.toString('latin1', 0, PREFIX.length))) throw new BadAnswer('the answer does not begin with HTTP/1.1');
  const limit = Math.min(bytes.length, HEAD_LIMIT);
  // the byte after the last one decides about a CR
  for (let i = Math.max(0, from - 1); i < limit; i += 1) {
    const byte = bytes[i] ?? 0;
    if (byte >= SPACE ? byte !== DELETE : byte === TAB) continue;
    if (byte === CR && (i + 1 === bytes.length || bytes[i + 1] === LF)) continue;
    if (byte !== LF || bytes[i - 1] !== CR) throw new BadAnswer(`the head has a byte ${byte} where none may be`);
    if (bytes[i - 2] === LF) return i + 1;
  }
  if (bytes.length >= HEAD_LIMIT) throw new BadAnswer(`the head has more than ${HEAD_LIMIT} bytes`);
  return -1;
}

/**
 * Reads a head whose bytes findHeadEnd has let pass. Refused is whatever two readers could take for two different things: a folded or malformed line, a
 * second Content-Length, one beside Transfer-Encoding, another coding than chunked, a body that only the end of the connection would end.
 * @param text up to and with the CRLF of the last header line @param toHead whether the request was HEAD, whose answer has no body
 * @throws BadAnswer
 */
export function parseHead(text: string, toHead: boolean): ResponseHead {
  const status = parseStatus(text);
  const headers: string[] = [];
  let contentLength: string | undefined;
  let coding: string | undefined;
  let connection: string | undefined;
  for (let at = text.indexOf('\r\n') + 2, end = 0; at < text.length; at = end + 2) {
    end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    const name = colon < 0 || colon > end ? '' : text.slice(at, colon);
    if (!TOKEN.test(name)) throw new BadAnswer('a line of the head is no header');
    const value = trimmed(text, colon + 1, end);
    const key = name.toLowerCase();
    if (key === 'content-length') {
      if (contentLength !== undefined || !LENGTH.test(value)) throw new BadAnswer('there is more than one Content-Length, or one that is no number');
      contentLength = value;
    } else if (key === 'transfer-encoding') {
      if (coding !== undefined || value.toLowerCase() !== 'chunked') throw new BadAnswer('Transfer-Encoding is not chunked');
      coding = value;
    } else if (key === 'connection') connection = connection === undefined ? value : `${connection},${value}`;
    if (!isHopByHop(key)) headers.push(name, value);
  }
  const length = bodyLength(status, contentLength, coding, toHead);
  return { status, headers: without(namedByConnection(connection), headers), length, keepAlive: !isClosing(connection) };
}

function parseStatus(text: string): number {
  const code = text.slice(PREFIX.length, PREFIX.length + 3);
  // 600 and above have no meaning; a switch of protocols was not asked for
  if (!/^[1-5]\d\d$/.test(code) || text.charCodeAt(PREFIX.length + 3) !== SPACE || code === '101') throw new BadAnswer('the status line is malformed');
  return Number(code);
}

/** RFC 9112 section 6.3. */
function bodyLength(status: number, contentLength: string | undefined, coding: string | undefined, toHead: boolean): number | undefined {
  if (contentLength !== undefined && coding !== undefined) throw new BadAnswer('there is a Content-Length beside Transfer-Encoding');
  if (status < 200 || status === 204) {
    if (coding !== undefined || (contentLength !== undefined && Number(contentLength) !== 0)) throw new BadAnswer(`an answer ${status} has no body, and this one announces one`);
    return 0;
  }
  if (toHead || status === 304) return 0;
  if (coding !== undefined) return undefined;
  if (contentLength === undefined) throw new BadAnswer('the answer does not say where its body ends');
  return Number(contentLength);
}

/** Without the white space around it. A regular expression would take quadratic time for a line of blanks. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function without(names: ReadonlySet<string> | undefined, headers: string[]): string[] {
  if (names === undefined) return headers;
  return headers.filter((_, i) => !names.has((headers[i - (i % 2)] ?? '').toLowerCase()));
}

function isClosing(connection: string | undefined): boolean {
  return connection !== undefined && /(^|,)[ \t]*close[ \t]*(,|$)/i.test(connection);
}
