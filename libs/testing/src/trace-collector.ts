import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRecord } from './http-exchange.js';

/** A span as the collector got it. */
export interface CollectedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** '' for the root of a trace. */
  readonly parentSpanId: string;
  /** SPAN_KIND of the protocol: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  /** Nanoseconds of Unix time. */
  readonly from: bigint;
  readonly to: bigint;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** An OpenTelemetry collector that keeps what it is sent: OTLP over http as JSON, on an address of its own. */
export class TraceCollector {
  readonly spans: CollectedSpan[] = [];
  /** Of each batch. */
  readonly headers: IncomingMessage['headers'][] = [];

  private readonly server: Server;

  /** @param answers false: takes everything and says nothing, as a collector that hangs */
  private constructor(answers: boolean) {
    this.server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        if (answers) this.take(request, response, Buffer.concat(chunks).toString());
      });
    });
  }

  static async start({ answers = true } = {}): Promise<TraceCollector> {
    const collector = new TraceCollector(answers);
    await new Promise<void>((resolve) => collector.server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  get url(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('The collector has no TCP address.');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Waits for spans that satisfy `enough`, twenty seconds at most; gives all of them. */
  async until(enough: (spans: readonly CollectedSpan[]) => boolean): Promise<readonly CollectedSpan[]> {
    for (const end = Date.now() + 20_000; Date.now() < end && !enough(this.spans); ) await sleep(50);
    return this.spans;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private take(request: IncomingMessage, response: ServerResponse, text: string): void {
    if (request.method !== 'POST' || request.url !== '/v1/traces') return void response.writeHead(404).end();
    this.headers.push(request.headers);
    const batch: unknown = JSON.parse(text);
    for (const resource of list(batch, 'resourceSpans')) {
      const service = String(attributesOf(field(resource, 'resource'))['service.name']);
      for (const scope of list(resource, 'scopeSpans')) this.spans.push(...list(scope, 'spans').map((span) => spanOf(service, span)));
    }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
  }
}

function spanOf(service: string, span: unknown): CollectedSpan {
  const text = (name: string): string => {
    const value = field(span, name);
    return typeof value === 'string' ? value : '';
  };
  return {
    service,
    name: text('name'),
    traceId: text('traceId'),
    spanId: text('spanId'),
    parentSpanId: text('parentSpanId'),
    kind: Number(field(span, 'kind')),
    from: BigInt(text('startTimeUnixNano')),
    to: BigInt(text('endTimeUnixNano')),
    failed: field(field(span, 'status'), 'code') === 2,
    attributes: attributesOf(span),
  };
}

function attributesOf(of: unknown): Record<string, unknown> {
  return Object.fromEntries(list(of, 'attributes').map((pair) => [String(field(pair, 'key')), Object.values(Object(field(pair, 'value')))[0]]));
}

function field(of: unknown, name: string): unknown {
  return isRecord(of) ? of[name] : undefined;
}

function list(of: unknown, name: string): unknown[] {
  const items = field(of, name);
  return Array.isArray(items) ? items : [];
}
