/** What a response says, without its body. */
export interface ResponseHead {
  readonly status: number;
  /** Status line and header lines as they came, without the empty line. */
  readonly head: string;
}

/** The value of a response header, or undefined. */
export function headerValue(response: ResponseHead, name: string): string | undefined {
  return new RegExp(`\r\n${name}:[ \t]*([^\r]*)`, 'i').exec(response.head)?.[1];
}

const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * The least HTTP/1.1 response parser that a load generator can do with: Content-Length, chunked, and no body (HEAD, 204, 304). It takes one
 * response at a time and looks at each byte of the head once, so it costs the same whichever server it talks to.
 */
export class ResponseParser {
  /** Body bytes of the response being read, without chunk framing. The buffer is only valid during the call. */
  onBody: ((bytes: Buffer) => void) | undefined;
  private held: Buffer | undefined;
  private response: ResponseHead | undefined;
  /** Body bytes still to come; in a chunked body, of the current chunk with its CRLF. */
  private remaining = 0;
  private chunked = false;
  private withoutBody = false;

  constructor(private readonly onResponse: (response: ResponseHead) => void) {}

  /** To be called before a request is sent. `head`: it was a HEAD, so no body follows whatever the headers say. */
  expect(head: boolean): void {
    this.withoutBody = head;
  }

  /** Takes what the socket gave. Throws on bytes that are no response. The bytes are not kept past the call. */
  push(input: Buffer): void {
    let bytes = this.held === undefined ? input : Buffer.concat([this.held, input]);
    this.held = undefined;
    while (bytes.length > 0) {
      const rest = this.response === undefined ? this.readHead(bytes) : this.chunked ? this.readChunk(bytes) : this.readBody(bytes);
      if (rest === undefined) {
        this.held = Buffer.from(bytes);
        return;
      }
      bytes = rest;
    }
  }

  private readHead(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) return undefined;
    const head = bytes.toString('latin1', 0, end);
    const status = Number.parseInt(head.slice(9, 12), 10);
    if (!head.startsWith('HTTP/1.1 ') || Number.isNaN(status)) throw new Error(`expected an HTTP/1.1 response, got ${JSON.stringify(head.slice(0, 40))}`);
    const rest = bytes.subarray(end + 4);
    if (status < 200) return rest;
    this.response = { status, head };
    this.chunked = !this.withoutBody && /\r\ntransfer-encoding:[ \t]*chunked/i.test(head);
    const none = this.withoutBody || status === 204 || status === 304;
    this.remaining = none || this.chunked ? 0 : Number.parseInt(/\r\ncontent-length:[ \t]*(\d+)/i.exec(head)?.[1] ?? '0', 10);
    if (!this.chunked && this.remaining === 0) this.finish();
    return rest;
  }

  private readBody(bytes: Buffer): Buffer {
    const taken = Math.min(this.remaining, bytes.length);
    this.onBody?.(bytes.subarray(0, taken));
    this.remaining -= taken;
    if (this.remaining === 0) this.finish();
    return bytes.subarray(taken);
  }

  /** Reads on in a chunked body. undefined: a size line is not whole yet. Trailers are not expected from any registry. */
  private readChunk(bytes: Buffer): Buffer | undefined {
    if (this.remaining > 0) {
      const taken = Math.min(this.remaining, bytes.length);
      const data = Math.min(taken, Math.max(0, this.remaining - 2));
      if (data > 0) this.onBody?.(bytes.subarray(0, data));
      this.remaining -= taken;
      return bytes.subarray(taken);
    }
    const end = bytes.indexOf('\r\n');
    if (end < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', 0, end), 16);
    if (Number.isNaN(size)) throw new Error('expected the size of a chunk, got something else');
    if (size > 0) {
      this.remaining = size + 2;
      return bytes.subarray(end + 2);
    }
    if (bytes.length < end + 4) return undefined;
    this.finish();
    return bytes.subarray(end + 4);
  }

  private finish(): void {
    const response = this.response;
    this.response = undefined;
    if (response !== undefined) this.onResponse(response);
  }
}
