import { DependencyUnavailable } from '@waybill/oci';
import pg from 'pg';
import { mapPostgresError } from './postgres-errors.js';
import type { PreparedStatements } from './prepared-query.js';

/** One session and whether it can still be used. */
export interface PooledConnection {
  readonly client: pg.Client;
  readonly prepared: PreparedStatements;
  broken: boolean;
  idleSince: number;
  /** When the statement that runs was sent, where it has a deadline; 0 otherwise. */
  askedAt: number;
  /** Its deadline was over at the last sweep. */
  overdue: boolean;
}

type Waiter = { readonly since: number; readonly take: (connection: PooledConnection) => void; readonly fail: (error: Error) => void };

/** A caller waits this long for a server that does not answer: enough for the embedded one to come back after a crash. */
const CONNECT_PATIENCE_MS = 3_000;
/** A caller waits this long for a free connection; every statement is over by then (statement_timeout). */
const QUEUE_PATIENCE_MS = 10_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** Silence after which the system asks the other side whether it is there, once a second and ten times at most. */
const KEEP_ALIVE_MS = 10_000;
const SWEEP_MS = 250;
/** Connections beyond `KEPT_IDLE` close after this long: each costs the server 2 to 4 MB. */
const IDLE_MS = 30_000;
const KEPT_IDLE = 2;

/** Sessions of one server, opened on demand, at most `max`. The one used last is used next, so few stay warm under light load. */
export class ConnectionPool {
  private readonly idle: PooledConnection[] = [];
  private readonly waiting: Waiter[] = [];
  private readonly all = new Set<PooledConnection>();
  private opening = 0;
  private failingSince: number | undefined;
  private sweeper: NodeJS.Timeout | undefined;
  private ended: (() => void) | undefined;

  /**
   * @param answerMs milliseconds that a server may take for a statement; Infinity: any time. Its own limit is shorter: what exceeds this one is no slow
   *   statement but a server that hangs, or packets that are lost, which no limit of the server's ever ends
   */
  constructor(private readonly config: pg.ClientConfig, private readonly max: number, private readonly answerMs: number, private readonly onLost: (error: Error) => void) {}

  /** For metrics: sessions there are, those unused, and callers without one. */
  get stats(): { readonly open: number; readonly idle: number; readonly waiting: number } {
    return { open: this.all.size, idle: this.idle.length, waiting: this.waiting.length };
  }

  /** A statement is sent; `answered` ends its deadline. */
  asked(connection: PooledConnection): void {
    if (this.answerMs === Infinity) return;
    connection.askedAt = performance.now();
    this.watch();
  }

  answered(connection: PooledConnection): void {
    connection.askedAt = 0;
    connection.overdue = false;
  }

  /** Calls `take` at once where a session is free. Whoever takes one must give it to `release`. */
  acquire(take: (connection: PooledConnection) => void, fail: (error: Error) => void): void {
    const free = this.idle.pop();
    if (free !== undefined) return take(free);
    if (this.ended !== undefined) return fail(new DependencyUnavailable('database', new Error('the pool is closed')));
    this.waiting.push({ since: performance.now(), take, fail });
    this.grow();
    this.watch();
  }

  release(connection: PooledConnection): void {
    if (connection.broken) return;
    const next = this.waiting.shift();
    if (next !== undefined) return next.take(connection);
    if (this.ended !== undefined) return this.discard(connection);
    connection.idleSince = performance.now();
    this.idle.push(connection);
  }

  /** Drops a session whose state is unknown. */
  discard(connection: PooledConnection): void {
    if (connection.broken) return;
    connection.broken = true;
    this.all.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
    connection.client.end().catch(() => undefined);
    if (this.ended !== undefined && this.all.size === 0) this.ended();
    else this.grow();
  }

  /** Waits until every session is given back. New callers are refused, waiting ones are still served. */
  async close(): Promise<void> {
    if (this.ended !== undefined) return;
    clearInterval(this.sweeper);
    await new Promise<void>((resolve) => {
      this.ended = resolve;
      while (this.idle[0] !== undefined) this.discard(this.idle[0]);
      if (this.all.size === 0 && this.opening === 0) resolve();
    });
  }

  private grow(): void {
    while (this.opening < this.waiting.length && this.all.size + this.opening < this.max) {
      this.opening++;
      void this.open();
    }
  }

  private async open(): Promise<void> {
    const client = new pg.Client({ ...this.config, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_MS });
    const connection: PooledConnection = { client, prepared: new Map(), broken: false, idleSince: 0, askedAt: 0, overdue: false };
    // without a listener the loss of an idle session would end the process
    client.on('error', (error) => {
      if (!connection.broken && this.all.has(connection)) this.onLost(error);
      this.discard(connection);
    });
    client.on('end', () => this.discard(connection));
    try {
      await client.connect();
      this.opening--;
      if (connection.broken) {
        // it ended between its connection and this turn: it never becomes one of ours
        if (this.ended !== undefined && this.all.size === 0) this.ended();
        else this.grow();
        return;
      }
      this.failingSince = undefined;
      this.all.add(connection);
      this.release(connection);
    } catch (error) {
      connection.broken = true;
      this.failingSince ??= performance.now();
      this.refuse(error);
      // several replicas must not come back in step
      setTimeout(() => {
        this.opening--;
        if (this.ended !== undefined && this.all.size === 0) this.ended();
        this.grow();
      }, 25 + Math.random() * 75);
    }
  }

  /** Callers that waited long enough for a server that does not answer get the error; one that is no outage (a wrong password) goes to all at once. */
  private refuse(error: unknown): void {
    const mapped = mapPostgresError(error);
    const deadline = mapped instanceof DependencyUnavailable ? performance.now() - CONNECT_PATIENCE_MS : Infinity;
    const failure = mapped instanceof Error ? mapped : new Error(String(mapped));
    while (this.waiting[0] !== undefined && this.waiting[0].since <= deadline) this.waiting.shift()?.fail(failure);
  }

  private watch(): void {
    this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  private sweep(): void {
    const now = performance.now();
    for (const connection of this.all) {
      if (connection.askedAt === 0 || connection.askedAt > now - this.answerMs) continue;
      // at the second look: an answer may have come while this process was too busy to read it. The end of its session is what its caller is told.
      if (connection.overdue) this.discard(connection);
      connection.overdue = true;
    }
    while (this.waiting[0] !== undefined && this.waiting[0].since < now - QUEUE_PATIENCE_MS) {
      this.waiting.shift()?.fail(new DependencyUnavailable('database', new Error(`no connection of ${this.max} became free within ${QUEUE_PATIENCE_MS} ms`)));
    }
    while (this.idle.length > KEPT_IDLE && this.idle[0] !== undefined && this.idle[0].idleSince < now - IDLE_MS) this.discard(this.idle[0]);
    if (this.waiting.length === 0 && this.idle.length <= KEPT_IDLE && this.idle.length === this.all.size) {
      clearInterval(this.sweeper);
      this.sweeper = undefined;
    }
  }
}
