import { Agent, createServer, request as forward, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** An S3 call as the tests count it. */
export type S3Call = 'PUT' | 'PART' | 'START' | 'COMPLETE' | 'ABORT' | 'UPLOADS' | 'HEAD' | 'GET' | 'DELETE' | 'BUCKET';

/**
 * What is done to a call. `fail`: 500 without asking the server; `busy`: 503 SlowDown likewise. `reset`: the server does the work and the connection is
 * cut instead of an answer; `lost`: the server does the work and the answer never comes. `truncate`: the answer is cut in the middle of its body, of
 * which the head told the whole length; `damage`: its first byte is another. `late`: the answer begins 300 ms later. `silent`: the server is not asked, and no answer comes.
 */
export type Fault = 'fail' | 'busy' | 'reset' | 'lost' | 'truncate' | 'damage' | 'late' | 'silent';

const SLOW_DOWN = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

/** Stands before an S3 server, counts what passes and spoils chosen calls. For faults of the network below, see FaultProxy. */
export class S3Proxy {
  calls: S3Call[] = [];
  /** Headers of the calls counted, in the same order. */
  headers: OutgoingHttpHeaders[] = [];
  /** Most calls that were under way at one time. */
  mostAtOnce = 0;
  private atOnce = 0;
  private readonly faults: { readonly call: S3Call; readonly fault: Fault; left: number }[] = [];
  private readonly agent = new Agent({ keepAlive: true });
  private readonly server: Server;

  private constructor(private readonly target: URL) {
    this.server = createServer((request, response) => {
      this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
      response.once('close', () => { this.atOnce--; });
      this.handle(request, response).catch(() => response.destroy());
    });
  }

  static async start(target: string): Promise<S3Proxy> {
    const proxy = new S3Proxy(new URL(target));
    await new Promise<void>(resolve => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get endpoint(): string {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('the S3 proxy does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /** Spoils the next `times` calls of this kind; Infinity: until `reset`. */
  inject(call: S3Call, fault: Fault, times = 1): void {
    this.faults.push({ call, fault, left: times });
  }

  /** Forgets the faults that are left, and what was counted. */
  reset(): void {
    this.calls = [];
    this.headers = [];
    this.faults.length = 0;
    this.mostAtOnce = 0;
  }

  /** Connections that are open now, used or not. */
  connections(): Promise<number> {
    return new Promise((resolve, reject) => this.server.getConnections((error, count) => (error ? reject(error) : resolve(count))));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.agent.destroy();
    await new Promise(resolve => this.server.close(resolve));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = kindOf(request.method ?? '', request.url ?? '');
    this.calls.push(call);
    this.headers.push(request.headers);
    const fault = this.faultOf(call);
    if (fault === 'silent') return;
    if (fault === 'fail' || fault === 'busy') {
      request.resume();
      if (fault === 'fail') response.writeHead(500, { 'content-type': 'text/plain' }).end('spoiled '.repeat(10_000));
      else response.writeHead(503, { 'content-type': 'application/xml' }).end(SLOW_DOWN);
      return;
    }
    const answer = await this.ask(request);
    if (fault === 'late') await delay(300);
    if (fault === 'reset' || fault === 'lost') {
      for await (const chunk of answer) void chunk;
      if (fault === 'reset') request.socket.destroy();
      return;
    }
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    if (fault === 'damage') answer.once('data', (chunk: Buffer) => chunk.writeUInt8(chunk.readUInt8(0) ^ 1, 0));
    if (fault === 'truncate') answer.once('data', (chunk: Buffer) => response.write(chunk.subarray(0, chunk.length / 2), () => request.socket.destroy()));
    else answer.pipe(response);
  }

  private faultOf(call: S3Call): Fault | undefined {
    const planned = this.faults.find(fault => fault.call === call && fault.left > 0);
    if (planned !== undefined) planned.left -= 1;
    return planned?.fault;
  }

  private ask(request: IncomingMessage): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.target;
      const asked = forward({ hostname, port, agent: this.agent, method: request.method, path: request.url, headers: request.headers }, resolve);
      asked.once('error', reject);
      request.pipe(asked);
    });
  }
}

function kindOf(method: string, target: string): S3Call {
  const url = new URL(target, 'http://s3');
  const named = url.pathname.split('/').length > 2 && !url.pathname.endsWith('/');
  if (!named) return url.searchParams.has('uploads') ? 'UPLOADS' : 'BUCKET';
  if (method === 'POST') return url.searchParams.has('uploads') ? 'START' : 'COMPLETE';
  if (url.searchParams.has('uploadId')) return method === 'DELETE' ? 'ABORT' : 'PART';
  if (method === 'PUT' || method === 'HEAD' || method === 'DELETE') return method;
  return 'GET';
}
