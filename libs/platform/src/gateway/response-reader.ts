import { BadAnswer, HEAD_LIMIT, findHeadEnd, parseHead } from './response-head.js';
import type { ResponseHead } from './response-head.js';

/** Whoever gets an answer. The bytes are valid during the call only. */
export interface AnswerSink {
  /** @param whole all of the body, where it came together with its head; else its parts follow */
  onHead(head: ResponseHead, whole: Buffer | undefined): void;
  onData(chunk: Buffer): void;
  /** The answer is whole. Called last. */
  onEnd(): void;
}

type State = 'between' | 'head' | 'body' | 'size' | 'size-lf' | 'chunk' | 'chunk-cr' | 'chunk-lf' | 'last-cr' | 'last-lf';

/** Answers 1xx before the one that counts. */
const INTERIM_LIMIT = 16;
/** Digits of a chunk's size: 2^48 bytes. */
const SIZE_DIGITS = 12;
const [LF, CR] = [10, 13];
const NOTHING = Buffer.alloc(0);

/**
 * Reads the answers of one connection, one after another, from whatever pieces their bytes come in. Chunk extensions and trailers, which no service of
 * ours sends, are refused. After it has thrown it is of no further use.
 */
export class ResponseReader {
  /** Bytes of a body of known length that are still to come. */
  remaining = 0;
  /** Whether a byte of the answer has come. */
  begun = false;
  /** Whether more came than the answer: its connection is out of step. */
  surplus = false;
  private state: State = 'between';
  private toHead = false;
  private interim = 0;
  /** The beginning of a head whose end has not come, and how much of it there is. */
  private held: Buffer | undefined;
  private heldBytes = 0;
  private size = 0;
  private digits = 0;

  constructor(private readonly sink: AnswerSink) {}

  /** To be called for every request, before its answer can come. */
  expect(toHead: boolean): void {
    this.toHead = toHead;
    this.begun = false;
    this.interim = 0;
    this.state = 'head';
  }

  /** @throws BadAnswer */
  push(bytes: Buffer): void {
    if (this.state === 'between') throw new BadAnswer('the replica answers though it was not asked');
    this.begun = true;
    let at = 0;
    while (at < bytes.length) {
      if (this.state === 'head') at = this.readHead(bytes, at);
      else if (this.state === 'body' || this.state === 'chunk') at = this.readData(bytes, at);
      else this.readFraming(bytes[at++] ?? 0);
      if (this.isBetween()) return this.finish(at < bytes.length);
    }
  }

  /** Its own method, because TypeScript does not see that the readers change the state. */
  private isBetween(): boolean {
    return this.state === 'between';
  }

  private finish(surplus: boolean): void {
    this.surplus = surplus;
    this.sink.onEnd();
  }

  /** Gives the index up to which the bytes are used. */
  private readHead(bytes: Buffer, at: number): number {
    const seen = this.heldBytes;
    const all = this.held === undefined ? bytes.subarray(at) : this.hold(bytes, at);
    const end = findHeadEnd(all, seen);
    if (end < 0) {
      if (this.held === undefined) this.hold(bytes, at);
      return bytes.length;
    }
    this.held = undefined;
    this.heldBytes = 0;
    const head = parseHead(all.toString('latin1', 0, end - 2), this.toHead);
    const used = at + end - seen;
    if (head.status >= 200) return this.begin(head, bytes, used);
    if (++this.interim > INTERIM_LIMIT) throw new BadAnswer(`more than ${INTERIM_LIMIT} interim answers came`);
    return used;
  }

  /** Keeps what came of a head; gives all of it. */
  private hold(bytes: Buffer, at: number): Buffer {
    this.held ??= Buffer.allocUnsafe(HEAD_LIMIT);
    this.heldBytes += bytes.copy(this.held, this.heldBytes, at);
    return this.held.subarray(0, this.heldBytes);
  }

  private begin(head: ResponseHead, bytes: Buffer, at: number): number {
    const { length } = head;
    if (length !== undefined && length <= bytes.length - at) {
      this.state = 'between';
      this.sink.onHead(head, length === 0 ? NOTHING : bytes.subarray(at, at + length));
      return at + length;
    }
    this.state = length === undefined ? 'size' : 'body';
    this.remaining = length ?? 0;
    this.size = 0;
    this.digits = 0;
    this.sink.onHead(head, undefined);
    return at;
  }

  private readData(bytes: Buffer, at: number): number {
    const inChunk = this.state === 'chunk';
    const left = inChunk ? this.size : this.remaining;
    const taken = Math.min(left, bytes.length - at);
    if (inChunk) this.size -= taken;
    else this.remaining -= taken;
    if (taken === left) this.state = inChunk ? 'chunk-cr' : 'between';
    this.sink.onData(at === 0 && taken === bytes.length ? bytes : bytes.subarray(at, at + taken));
    return at + taken;
  }

  private readFraming(byte: number): void {
    switch (this.state) {
      case 'size':
        if (byte === CR && this.digits > 0) this.state = 'size-lf';
        else this.addDigit(byte);
        return;
      case 'size-lf':
        this.state = this.expected(byte, LF, this.size > 0 ? 'chunk' : 'last-cr');
        this.digits = 0;
        return;
      case 'chunk-cr':
        this.state = this.expected(byte, CR, 'chunk-lf');
        return;
      case 'chunk-lf':
        this.state = this.expected(byte, LF, 'size');
        return;
      case 'last-cr':
        this.state = this.expected(byte, CR, 'last-lf');
        return;
      default:
        this.state = this.expected(byte, LF, 'between');
    }
  }

  private addDigit(byte: number): void {
    const digit = hexDigit(byte);
    this.digits += 1;
    if (digit < 0 || this.digits > SIZE_DIGITS) throw new BadAnswer('a chunk has no size, or an impossible one, or an extension');
    this.size = this.size * 16 + digit;
  }

  private expected(byte: number, wanted: number, next: State): State {
    if (byte !== wanted) throw new BadAnswer('a chunk does not end where its size says, or trailers follow');
    return next;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
