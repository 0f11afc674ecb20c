import { createServer } from 'node:http';
import type { Server as HttpServer, IncomingMessage, RequestListener } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrustedProxies } from '../../http/client-address.js';
import type { TlsListener } from '../../http/tls/tls-server.js';
import { serve } from '../../http/testing/http-fixture.js';
import type { ServedRegistry } from '../../http/testing/http-fixture.js';
import { Gateway } from '../gateway.js';
import { Service } from '../service.js';
import type { Replica } from '../service.js';

export const MIB = 1024 * 1024;
const ends: (() => unknown)[] = [];

/** Ends what the tests of a file have started, after each. Call it at the top of the spec. */
export function endAfterEach(): void {
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
}

export interface Upstream {
  readonly port: number;
  readonly requests: IncomingMessage[];
  stop(): Promise<void>;
}

/** A replica: ready unless `answer` says otherwise, and every other request is `answer`'s. */
export async function upstream(answer: RequestListener, port = 0): Promise<Upstream> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/readyz') return response.end('{}');
    requests.push(request);
    return answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = (): Promise<void> => closed(server);
  ends.push(stop);
  return { port: portOf(server), requests, stop };
}

function closed(server: HttpServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP address');
  return address.port;
}

/** A replica that is ready, and whose answer to every other request is `answer`'s, byte for byte. */
export async function rawUpstream(answer: (socket: Socket, head: string) => unknown): Promise<{ readonly port: number; readonly sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined).on('data', (bytes: Buffer) => {
      if (bytes.toString('latin1').startsWith('GET /readyz ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}');
      else answer(socket, bytes.toString('latin1'));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: portOf(server), sockets };
}

export async function gatewayTo(ports: readonly number[], { trusted = [], tls, probeMs = 60_000, answerMs = 5_000, onState }: { trusted?: string[]; tls?: TlsListener; probeMs?: number; answerMs?: number; onState?: (replica: Replica) => void } = {}): Promise<ServedRegistry & { gateway: Gateway; service: Service }> {
  const service = new Service({ name: 'manifests', addresses: ports.map((port) => ({ host: '127.0.0.1', port })), answerMs, probeMs, ...(onState && { onState }) });
  const gateway = new Gateway([service], new TrustedProxies(trusted));
  await gateway.start();
  const to = gateway.to(service);
  const endpoints = gateway.endpoints(service, [{ kind: 'token', path: '/token' }, { kind: 'management', path: '/api/v1/' }]);
  const served = await serve({ endpoints, handlers: { ping: to, getManifest: to, headManifest: to, putManifest: to, getBlob: to, appendUpload: to, deleteManifest: to }, tls });
  ends.push(() => gateway.stop(), () => served.close());
  return { ...served, gateway, service };
}

export const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => response.writeHead(201, { 'X-Bytes': Buffer.concat(chunks).length }).end(Buffer.concat(chunks)));
};
export const ok: RequestListener = (_, response) => response.writeHead(200, { 'Docker-Content-Digest': 'sha256:1', 'Content-Length': 2 }).end('ok');
export const manifest = '/v2/a/b/manifests/latest';
export const upload = '/v2/a/b/blobs/uploads/0123456789abcdef';
export const body = Buffer.alloc(300_000, 'x');

/** Writes for as long as bytes are taken. Gives how many were written so far. */
export function writeMuch(stream: Writable): () => number {
  let written = 0;
  const fill = (): void => {
    do written += MIB;
    while (stream.write(Buffer.alloc(MIB)));
  };
  stream.on('drain', fill);
  fill();
  return () => written;
}

/** Sends bytes and gives everything that comes until the connection ends, or until it matches `enough`. */
export function raw(port: number, bytes: string, enough?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1').on('error', reject).on('close', () => resolve(text));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (enough?.test(text)) socket.destroy();
    });
    socket.write(bytes, 'latin1');
  });
}

export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await holds()) return;
    await sleep(25);
  }
  throw new Error('it did not come to hold within 5 s');
}
