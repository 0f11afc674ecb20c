import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';

export interface Recorded {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

/** A real HTTP server in a service's place: it notes what reaches it and answers with its own name, or as it is told. */
export class Recorder {
  readonly requests: Recorded[] = [];
  /** What it does with a request instead of answering at once; it says that it is ready all the same. */
  behave: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;

  private constructor(
    readonly name: string,
    private readonly server: Server,
  ) {}

  static async start(name: string, host: string, port: number): Promise<Recorder> {
    const server = createServer((request, response) => recorder.answer(request, response));
    const recorder = new Recorder(name, server);
    server.listen(port, host);
    await once(server, 'listening');
    return recorder;
  }

  /** Only the requests of the paths that it names. */
  of(url: string): readonly Recorded[] {
    return this.requests.filter((request) => request.url === url);
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    if (this.behave !== undefined && request.url !== '/readyz') return this.behave(request, response);
    request.resume().once('end', () => response.setHeader('X-Answered-By', this.name).end(this.name));
  }
}
