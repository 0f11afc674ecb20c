import { createServer, request as httpRequest, Agent, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Chooses the base URL that serves a request, by its path and query. */
export type Route = (path: string) => string;

export interface PathRouter {
  readonly baseUrl: string;
  stop(): Promise<void>;
}

/** Requests for blobs and uploads go to `blobs`, everything else to `manifests`. */
export function blobsAndManifests(blobs: string, manifests: string): Route {
  // From the right, as the registry itself reads it (G2): `a/blobs/manifests/v1` is a manifest of the repository `a/blobs`.
  return (path) => (/^\/v2\/.+\/blobs\/(uploads(\/[^/]*)?\/?|[^/]+)$/.test(path.split('?', 1)[0] ?? '') ? blobs : manifests);
}

/**
 * A reverse proxy for tests of the split deployment: sends each request where `route` says and streams both ways without buffering. Headers pass
 * as they are. A client or a server that goes away takes the other side of its request along.
 */
export async function startPathRouter(route: Route): Promise<PathRouter> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer({ requestTimeout: 0 }, (incoming, outgoing) => forward(route, agent, incoming, outgoing));
  server.on('checkContinue', (incoming: IncomingMessage, outgoing: ServerResponse) => forward(route, agent, incoming, outgoing));
  const port = await listen(server);
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function forward(route: Route, agent: Agent, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const target = new URL(route(incoming.url ?? '/'));
  const upstream = httpRequest({ host: target.hostname, port: target.port, agent, method: incoming.method, path: incoming.url, headers: incoming.rawHeaders });
  upstream.on('continue', () => outgoing.writeContinue());
  upstream.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(outgoing);
    answer.on('error', () => outgoing.destroy());
  });
  upstream.on('error', () => {
    if (outgoing.headersSent) return;
    outgoing.writeHead(502).end();
  });
  incoming.on('error', () => upstream.destroy());
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) upstream.destroy();
  });
  incoming.pipe(upstream);
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(addressOf(server).port));
  });
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`Expected the router to listen on a TCP port, it listens on ${address}.`);
  return address;
}
