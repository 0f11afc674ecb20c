import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A bare TCP connection, for requests that no HTTP client would send: wrong lengths, smuggling, a body that stops in the middle.
 */
export class RawConnection {
  #received = '';
  #closed = false;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('latin1');
    socket.on('data', (text) => (this.#received += text));
    socket.on('close', () => (this.#closed = true));
    // A reset is one of the ways in which a server may refuse; `closed` tells.
    socket.on('error', () => undefined);
  }

  static open(baseUrl: string): Promise<RawConnection> {
    const { hostname, port } = new URL(baseUrl);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port) }, () => resolve(new RawConnection(socket)));
      socket.once('error', reject);
    });
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Sends FIN: no more bytes will come. */
  end(): void {
    this.socket.end();
  }

  /** Sends RST, or whatever the system makes of it: the client is gone. */
  destroy(): void {
    this.socket.destroy();
  }

  get received(): string {
    return this.#received;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The status codes of the answers so far, in order; interim ones (1xx) included. */
  statuses(): readonly number[] {
    return [...this.#received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
  }

  /** Waits until `done` holds. Gives whether it came to hold within `milliseconds`. */
  async until(done: (connection: RawConnection) => boolean, milliseconds = 5000): Promise<boolean> {
    const end = Date.now() + milliseconds;
    while (!done(this)) {
      if (Date.now() > end) return false;
      await delay(10);
    }
    return true;
  }

  /** Waits for the head of the first final answer and gives its status, or undefined when the connection closed without one. */
  async status(milliseconds = 5000): Promise<number | undefined> {
    const final = (): number | undefined => this.statuses().find((status) => status >= 200);
    await this.until(() => final() !== undefined || this.#closed, milliseconds);
    return final();
  }
}
