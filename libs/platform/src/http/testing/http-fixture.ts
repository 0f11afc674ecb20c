import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectSecurely, getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { RequestKind } from '@waybill/oci';
import { beforeControllers, Endpoints } from '../endpoints.js';
import type { Endpoint, EndpointKind } from '../endpoints.js';
import type { Exchange } from '../exchange.js';
import { FrontController } from '../front-controller.js';
import type { Guard, Handlers } from '../handler.js';
import { HTTP_LIMITS } from '../limits.js';
import type { HttpLimits } from '../limits.js';
import { createHttpServer } from '../server.js';
import type { ClientErrorReason, HttpServer } from '../server.js';
import type { TlsListener } from '../tls/tls-server.js';
import { serverTls } from './tls-fixture.js';

/** A server as startHttp makes it, without Nest: paths outside `/v2/` are answered `other`. */
export interface ServedRegistry {
  readonly port: number;
  readonly url: string;
  readonly observed: { readonly kind: RequestKind | EndpointKind | undefined; readonly status: number }[];
  readonly reported: unknown[];
  readonly clientErrors: ClientErrorReason[];
  readonly http: HttpServer;
  /** Bytes read from all connections. */
  received(): number;
  close(): Promise<number>;
}

export interface ServeOptions {
  readonly handlers?: Partial<Handlers>;
  readonly guard?: Guard;
  readonly endpoints?: readonly Endpoint[];
  readonly limits?: Partial<HttpLimits>;
  readonly tls?: TlsListener | undefined;
}

export async function serve({ handlers = {}, guard = () => undefined, endpoints = [], limits = {}, tls }: ServeOptions): Promise<ServedRegistry> {
  const observed: { kind: RequestKind | EndpointKind | undefined; status: number }[] = [];
  const reported: unknown[] = [];
  const clientErrors: ClientErrorReason[] = [];
  const watch = {
    observe: (exchange: Exchange, kind: RequestKind | EndpointKind | undefined) => void observed.push({ kind, status: exchange.status }),
    report: (error: unknown) => void reported.push(error),
  };
  const controller = new FrontController({ handlers, guard, ...watch });
  const http = createHttpServer({
    limits: { ...HTTP_LIMITS, drainMs: 200, ...limits },
    registry: (request, response, expectsContinue) => controller.handle(request, response, expectsContinue),
    other: beforeControllers(new Endpoints({ endpoints, ...watch }), (_, response) => response.end('other')),
    onClientError: (reason) => clientErrors.push(reason),
    ...(tls === undefined ? {} : { tls }),
  });
  http.server.listen(0, '127.0.0.1');
  await once(http.server, 'listening');
  const { port } = addressOf(http.server.address());
  return { port, url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`, observed, reported, clientErrors, http, received: () => http.connections.bytes.received, close: () => http.close() };
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address');
  return address;
}

const SHORT_LIMITS: Partial<HttpLimits> = { sweepMs: 50, headersTimeoutMs: 400, bodyIdleMs: 400, responseIdleMs: 400, keepAliveMs: 10_000 };

/** Takes any body and answers its length. */
export const takeBodies: ServeOptions = {
  handlers: {
    ping: (_, exchange) => exchange.reply(200, ['Content-Type', 'application/json'], '{}'),
    appendUpload: async (_, exchange) => {
      let length = 0;
      for await (const chunk of exchange.request) length += Buffer.byteLength(chunk);
      exchange.reply(202, [], String(length));
    },
  },
};

/** From now on every ServerPerTest of this module speaks TLS: a spec that is imported after this runs over it. */
export function overTls(): void {
  ServerPerTest.secure = serverTls().then((tls) => {
    // of fetch
    setDefaultCACertificates([...getCACertificates(), tls.material.cert.toString()]);
    return tls;
  });
}

/** A server for each test of a file, with limits so short that a spec takes seconds, and connections to it; all end with the test. */
export class ServerPerTest {
  static secure: Promise<TlsListener> | undefined;
  private running: ServedRegistry | undefined;
  private tls: TlsListener | undefined;
  private readonly clients: RawClient[] = [];

  /** Call it at the top of the spec. */
  constructor() {
    const { secure } = ServerPerTest;
    if (secure !== undefined) beforeAll(async () => void (this.tls = await secure));
    afterEach(async () => {
      for (const { socket } of this.clients.splice(0)) socket.destroy();
      await this.running?.close();
    });
  }

  get served(): ServedRegistry {
    if (this.running === undefined) throw new Error('the test has no server yet: call connected() first');
    return this.running;
  }

  /** Bytes that a connection receives at most before its first request: of the handshake. */
  get handshakeBytes(): number {
    return this.tls === undefined ? 0 : 4096;
  }

  /** A connection to a new server; the one before ends. */
  async connected(options: ServeOptions = {}): Promise<RawClient> {
    await this.running?.close();
    this.running = await serve({ tls: this.tls, ...options, limits: { ...SHORT_LIMITS, ...options.limits } });
    return this.connectAgain();
  }

  async connectAgain(): Promise<RawClient> {
    const client = await RawClient.open(this.served.port, this.tls?.material.cert);
    this.clients.push(client);
    return client;
  }
}

/** A TCP connection, or one of TLS, that keeps all it received; for requests that no client library would send. */
export class RawClient {
  received = '';
  /** The server has sent FIN or RST. */
  ended = false;
  /** The reset, where the connection did not end well. */
  failure: Error | undefined;

  private constructor(readonly socket: Socket, private readonly wire: Socket) {
    socket.setEncoding('latin1').on('data', (text) => (this.received += text));
    socket.on('end', () => (this.ended = true)).on('close', () => (this.ended = true));
    socket.on('error', (error) => (this.failure = error));
  }

  /** @param ca of the server, where it speaks TLS */
  static async open(port: number, ca?: Buffer): Promise<RawClient> {
    const wire = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(wire, 'connect');
    if (ca === undefined) return new RawClient(wire, wire);
    const socket = connectSecurely({ socket: wire, ca: [ca], servername: 'localhost' });
    const client = new RawClient(socket, wire);
    // a server that is full ends the connection instead
    await client.until(({ ended }) => ended || socket.getCipher() !== undefined && socket.authorized);
    return client;
  }

  /** Ends the connection by RST. */
  reset(): void {
    this.wire.resetAndDestroy();
  }

  /** Sends the lines of a head, the empty line, and the body. `Host` is given. */
  send(head: readonly string[], body = ''): void {
    const [first = '', ...headers] = head;
    this.socket.write([first, 'Host: registry.test', ...headers, '', body].join('\r\n'), 'latin1');
  }

  /** Gives whether `done` came to hold in time. */
  async until(done: (client: this) => boolean, milliseconds = 5_000): Promise<boolean> {
    for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(5)) if (done(this)) return true;
    return done(this);
  }

  /** Everything up to the end of the connection, or what there is when the time is over. */
  async toTheEnd(milliseconds = 5_000): Promise<string> {
    await this.until(({ ended }) => ended, milliseconds);
    return this.received;
  }
}
