import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Health } from './health.js';
import type { Metrics } from '../metrics/metrics.js';

/**
 * `/metrics`, `/healthz` and `/readyz` on an address of their own, which a deployment keeps from the public; not listening yet. It is
 * plain node:http because it has to answer even where the application is in trouble.
 */
export function createMetricsServer(metrics: Metrics, health: Health): Server {
  // Scrapers are few and near: node's own time limits do.
  const server = createServer((request, response) => {
    answer(request, response, metrics, health).catch(() => response.destroy());
  });
  server.maxConnections = 64;
  return server;
}

async function answer(request: IncomingMessage, response: ServerResponse, metrics: Metrics, health: Health): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain; charset=utf-8', 'use GET\n', ['Allow', 'GET, HEAD']);
  switch ((request.url ?? '').replace(/\?.*$/, '')) {
    case '/metrics':
      return send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await metrics.scrape());
    case '/healthz':
      return send(response, 200, 'application/json', JSON.stringify({ status: 'ok' }));
    case '/readyz': {
      const readiness = await health.readiness();
      return send(response, readiness.status === 'ready' ? 200 : 503, 'application/json', JSON.stringify(readiness), ['Cache-Control', 'no-store']);
    }
    default:
      return send(response, 404, 'text/plain; charset=utf-8', 'there are /metrics, /healthz and /readyz here\n');
  }
}

function send(response: ServerResponse, status: number, type: string, body: string, more: readonly string[] = []): void {
  response.writeHead(status, ['Content-Type', type, 'Content-Length', String(Buffer.byteLength(body)), ...more]).end(body);
}
