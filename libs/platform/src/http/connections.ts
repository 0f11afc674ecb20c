import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a connection may stay without a byte, by what it waits for; milliseconds. */
export interface Patience {
  readonly bodyIdleMs: number;
  readonly responseIdleMs: number;
  readonly keepAliveMs: number;
  /** How often the connections are judged, so by how much a limit may be overrun. */
  readonly sweepMs: number;
}

/** Why a connection was cut: the body did not come, the answer was not read, or nobody used it. Only the first two are a client's fault. */
export type CutReason = 'body_idle' | 'response_idle' | 'keep_alive';

interface Connection {
  readonly socket: Socket;
  /** What goes over the network: the socket itself, or the TCP connection below one of TLS. */
  readonly wire: Socket;
  /** The latest of a pipeline: its body is the one being received, and every answer before its own is sent before its own. */
  request: IncomingMessage | undefined;
  response: ServerResponse | undefined;
  /** Requests of a pipeline that wait for the answers before theirs; while there are any, nothing more is read. */
  held: number;
  bytesRead: number;
  bytesWritten: number;
  unsent: number;
  movedAt: number;
  /** No request but the one that runs, if any, is to come on it. */
  retired: boolean;
  /** Set once the connection has got its last answer outside of any request: it is cut at that time whatever it does. */
  cutAt: number;
}

/** Begins to answer a request. */
export type StartAnswer = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The open connections of one server and the rule by which they are cut, applied by one sweep over all of them: nothing is timed, armed or
 * allocated for a request. A connection is judged by bytes, not by time: whatever moves, however slowly, stays; and while it is this
 * process that the client waits for, no time counts.
 */
export class Connections {
  private readonly open = new Map<Socket, Connection>();
  private closedRead = 0;
  private closedWritten = 0;
  private draining = false;
  private sweptAt = performance.now();

  constructor(private readonly patience: Patience, private readonly onCut: (reason: CutReason) => void) {}

  /** @param wire the TCP connection below `socket`, where that is one of TLS */
  accept(socket: Socket, wire = socket): void {
    const connection: Connection = { socket, wire, retired: false, request: undefined, response: undefined, held: 0, bytesRead: 0, bytesWritten: 0, unsent: 0, movedAt: performance.now(), cutAt: Infinity };
    this.open.set(socket, connection);
    // Node reads on whenever it wants more of a body, and when a response ends; this listener comes after node's own and has the last word.
    socket.on('resume', () => connection.held > 0 && socket.pause());
    socket.once('close', () => {
      this.open.delete(socket);
      this.closedRead += wire.bytesRead;
      this.closedWritten += wire.bytesWritten;
    });
  }

  /** On the way of every request. `start` is called when every answer before this one is sent, or never where the connection ends before. */
  serve(request: IncomingMessage, response: ServerResponse, start: StartAnswer): void {
    const connection = this.open.get(request.socket);
    if (connection === undefined) return;
    connection.request = request;
    connection.response = response;
    if (response.socket === null) this.hold(connection, request, response, start);
    else this.start(connection, request, response, start);
  }

  private start({ retired }: Connection, request: IncomingMessage, response: ServerResponse, start: StartAnswer): void {
    if (this.draining || retired) response.shouldKeepAlive = false;
    start(request, response);
  }

  /**
   * A pipelined request whose answer has to wait. Node hands it over all the same and keeps in memory what is answered, without end where the
   * client does not read; so it is not begun, and the connection is not read meanwhile. What was read already, 64 KiB at most, is parsed.
   */
  private hold(connection: Connection, request: IncomingMessage, response: ServerResponse, start: StartAnswer): void {
    const { socket } = connection;
    connection.held++;
    socket.pause();
    // Node gives a response its socket when its turn comes, and flushes it after this event: an answer must not be written in between.
    response.once('socket', () => process.nextTick(() => {
      connection.held--;
      if (socket.destroyed) return;
      if (connection.held === 0) socket.resume();
      this.start(connection, request, response, start);
    }));
  }

  /** Whether bytes written to the socket now would be taken for an answer, not for a part of one that is being sent. */
  isBetweenAnswers(socket: Socket): boolean {
    const response = this.open.get(socket)?.response;
    return response === undefined || response.writableFinished || (response.socket === socket && !response.headersSent);
  }

  /** Whether requests of a pipeline wait, so that nothing is read and a head that came in part behind them cannot be finished. */
  isHeld(socket: Socket): boolean {
    return (this.open.get(socket)?.held ?? 0) > 0;
  }

  /** From now on the connection's bytes are thrown away, and after `milliseconds` it is cut. Gives false where that was said before. */
  condemn(socket: Socket, milliseconds: number): boolean {
    const connection = this.open.get(socket);
    if (connection === undefined || connection.cutAt !== Infinity) return false;
    connection.cutAt = performance.now() + milliseconds;
    return true;
  }

  /** Cuts every connection whose client has kept this process waiting for too long. Call it every few seconds. */
  sweep(now = performance.now()): void {
    // A process that was stopped, or got no CPU, has read nothing meanwhile: what this sweep is overdue by is not the clients' time.
    const overdue = Math.max(0, now - this.sweptAt - this.patience.sweepMs);
    this.sweptAt = now;
    for (const connection of this.open.values()) {
      const waitsFor = waitingForClient(connection);
      connection.movedAt += overdue;
      if (hasMoved(connection) || waitsFor === undefined) connection.movedAt = now;
      const idle = now - connection.movedAt;
      if (waitsFor !== undefined && idle > this.limit(waitsFor)) {
        this.onCut(waitsFor);
        connection.socket.destroy();
      } else if (now > connection.cutAt) connection.socket.destroy();
    }
  }

  /** Ends the connections that `which` names: those that nobody uses now, the others when the answer to their request is sent. */
  retire(which: (socket: Socket) => boolean): void {
    for (const connection of this.open.values()) {
      const { socket, response } = connection;
      if (!which(socket)) continue;
      connection.retired = true;
      if (response !== undefined && !response.headersSent) response.shouldKeepAlive = false;
      if (waitingForClient(connection) === 'keep_alive') socket.destroy();
    }
  }

  private limit(reason: CutReason): number {
    if (reason === 'body_idle') return this.patience.bodyIdleMs;
    return reason === 'response_idle' ? this.patience.responseIdleMs : this.patience.keepAliveMs;
  }

  get size(): number {
    return this.open.size;
  }

  /** Requests whose answer is not sent yet. Counted when asked, so that a request pays nothing for it; a pipeline counts as one. */
  get requests(): number {
    let count = 0;
    for (const { response } of this.open.values()) if (response !== undefined && !response.writableFinished) count++;
    return count;
  }

  /** Bytes on the wire since the start, heads included. */
  get bytes(): { readonly received: number; readonly sent: number } {
    let [received, sent] = [this.closedRead, this.closedWritten];
    for (const { wire } of this.open.values()) {
      received += wire.bytesRead;
      sent += wire.bytesWritten;
    }
    return { received, sent };
  }

  /**
   * Stops listening, closes what is idle, lets running requests finish with `Connection: close`, and after `milliseconds` destroys the rest.
   * Gives how many were destroyed.
   */
  async drain(server: Pick<Server, 'close' | 'closeIdleConnections'>, milliseconds: number): Promise<number> {
    this.draining = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const { request, response, socket } of this.open.values()) {
      if (request === undefined && socket.bytesRead === 0) socket.destroy();
      else if (response !== undefined && !response.headersSent) response.shouldKeepAlive = false;
    }
    // An answer whose head was sent before promised to keep its connection, which becomes idle only when the answer ends.
    const again = setInterval(() => {
      server.closeIdleConnections();
      this.sweep();
    }, 50);
    let destroyed = 0;
    const deadline = setTimeout(() => {
      destroyed = this.open.size;
      for (const socket of this.open.keys()) socket.destroy();
    }, milliseconds);
    await closed;
    clearInterval(again);
    clearTimeout(deadline);
    return destroyed;
  }
}

/** What this process waits for, as far as it waits for the client; undefined while the client waits for us. */
function waitingForClient({ socket, request, response, held }: Connection): CutReason | undefined {
  if (socket.writableLength > 0) return 'response_idle';
  if (held > 0) return undefined;
  // Bytes that have come but are not taken mean that the handler is the slow one.
  if (request !== undefined && !request.complete) return request.readableLength === 0 ? 'body_idle' : undefined;
  return response === undefined || response.writableFinished ? 'keep_alive' : undefined;
}

function hasMoved(connection: Connection): boolean {
  const { bytesRead, bytesWritten } = connection.wire;
  const unsent = unsentBytes(connection.wire);
  const moved = bytesRead !== connection.bytesRead || bytesWritten !== connection.bytesWritten || unsent !== connection.unsent;
  connection.bytesRead = bytesRead;
  connection.bytesWritten = bytesWritten;
  connection.unsent = unsent;
  return moved;
}

/**
 * What the kernel has not taken yet. The public counters move by whole writes, and one of 1 MiB lasts minutes on a slow line; libuv's own
 * count, by which node's socket timeout goes too, moves with every part. The kernel wakes a writer when a third of its send buffer (4 MiB at
 * the most by Linux' default) is free, so this count may rest for that long on a line that is moving: `responseIdleMs` must allow for it.
 */
function unsentBytes(socket: Socket): number {
  const handle: unknown = Reflect.get(socket, '_handle');
  const queue: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'writeQueueSize') : undefined;
  return typeof queue === 'number' ? queue : socket.writableLength;
}
