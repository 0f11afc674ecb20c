import { connect, type Socket } from 'node:net';
import { ResponseParser, type ResponseHead } from './response-parser.js';

export type { ResponseHead } from './response-parser.js';
export { headerValue } from './response-parser.js';

const HOST = 'Host: 127.0.0.1\r\n';
const ACCEPT = 'Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*\r\n';

/** The bytes of a request without a body. */
export function getRequest(path: string, method = 'GET'): Buffer {
  const length = method === 'GET' || method === 'HEAD' ? ACCEPT : 'Content-Length: 0\r\n';
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${HOST}${length}\r\n`);
}

/** The bytes of a request with a body of known length. */
export function bodyRequest(method: string, path: string, contentType: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${method} ${path} HTTP/1.1\r\n${HOST}Content-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`), body]);
}

/** The head of a request whose body follows in parts: chunked, or of `length` bytes. */
export function streamingHead(method: string, path: string, length?: number): Buffer {
  const framing = length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`;
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${HOST}Content-Type: application/octet-stream\r\n${framing}\r\n\r\n`);
}

const FIRST_BYTE_OF_HEAD = 'H'.charCodeAt(0);

/** One keep-alive connection with at most one request under way. Reads land in one buffer that is used again and again. */
export class Connection {
  private readonly parser: ResponseParser;
  private settled: ((response: ResponseHead) => void) | undefined;
  private failed: ((error: Error) => void) | undefined;

  private constructor(private readonly port: number, private readonly socket: Socket) {
    this.parser = new ResponseParser((response) => {
      const done = this.settled;
      this.settled = undefined;
      done?.(response);
    });
    socket.setNoDelay(true);
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error(`127.0.0.1:${this.port} closed the connection before its answer was whole`)));
  }

  /** Connects to 127.0.0.1:`port`. `readBuffer`: bytes read from the socket at once. */
  static open(port: number, readBuffer = 64 * 1024): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined;
      const socket = connect({
        port,
        host: '127.0.0.1',
        onread: { buffer: Buffer.allocUnsafeSlow(readBuffer), callback: (length, buffer) => connection?.take(Buffer.from(buffer.buffer, buffer.byteOffset, length)) ?? true },
      });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        connection = new Connection(port, socket);
        resolve(connection);
      });
    });
  }

  /** Body bytes of every response from here on; the buffer is only valid during the call. */
  set onBody(listener: ((bytes: Buffer) => void) | undefined) {
    this.parser.onBody = listener;
  }

  /** Sends the bytes of a whole request, then calls `done` with its response. The cheapest way: no promise. */
  exchange(request: Buffer, done: (response: ResponseHead) => void, failed: (error: Error) => void): void {
    if (this.socket.destroyed) return failed(new Error(`127.0.0.1:${this.port} has closed the connection`));
    this.settled = done;
    this.failed = failed;
    this.parser.expect(request[0] === FIRST_BYTE_OF_HEAD);
    this.socket.write(request);
  }

  /** Sends the bytes of a whole request and resolves with its response. */
  send(request: Buffer): Promise<ResponseHead> {
    return new Promise((resolve, reject) => this.exchange(request, resolve, reject));
  }

  /** Sends a request and resolves with its response and whole body. */
  async fetch(request: Buffer): Promise<{ response: ResponseHead; body: Buffer }> {
    const parts: Buffer[] = [];
    this.parser.onBody = (bytes) => parts.push(Buffer.from(bytes));
    const response = await this.send(request);
    this.parser.onBody = undefined;
    return { response, body: Buffer.concat(parts) };
  }

  /** Sends part of a request; resolves once the kernel has taken it. */
  write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => this.socket.write(bytes, (error) => (error ? reject(error) : resolve())));
  }

  close(): void {
    this.socket.destroy();
  }

  private take(bytes: Buffer): boolean {
    try {
      this.parser.push(bytes);
    } catch (error) {
      this.socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  }

  private fail(error: Error): void {
    const failed = this.settled === undefined ? undefined : this.failed;
    this.settled = undefined;
    failed?.(error);
  }
}
