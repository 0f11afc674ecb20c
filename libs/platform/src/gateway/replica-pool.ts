import { ReplicaConnection } from './replica-connection.js';
import type { ConnectionKeeper, ReplicaAddress, ReplicaCall } from './replica-connection.js';

/** Milliseconds. Below the 75 s of our services (http.keepAliveTimeout), so that it is we who close, and never the service in the middle of our request. */
const KEEP_ALIVE_MS = 60_000;

/**
 * The connections to one replica: as many as there are requests under way, which the gateway's own limit of connections bounds, and those that are kept.
 * The one that was used last is used first, so that what a burst has opened ages and is closed.
 */
export class ReplicaPool implements ConnectionKeeper {
  private readonly open = new Set<ReplicaConnection>();
  private readonly idle: ReplicaConnection[] = [];
  private retired = false;

  constructor(private readonly address: ReplicaAddress) {}

  /** Sends a request. What becomes of it the call is told, by `onFailure` too where there is no connection. */
  start(call: ReplicaCall): void {
    (this.idle.pop() ?? this.connect()).start(call);
  }

  /** Connections there are, and those of them that are not used at the moment. */
  get size(): { readonly open: number; readonly idle: number } {
    return { open: this.open.size, idle: this.idle.length };
  }

  /** Closes what was kept for too long, and gives up the calls whose time is over. Call it about once a second. */
  sweep(now = performance.now()): void {
    for (const connection of this.open) connection.expire(now);
    while (this.idle[0] !== undefined && now - this.idle[0].idleSince > KEEP_ALIVE_MS) this.idle.shift()?.destroy();
  }

  /** Takes no more requests; those under way go on, each ending its connection. */
  retire(): void {
    this.retired = true;
    for (const connection of this.idle.splice(0)) connection.destroy();
  }

  /** Ends every connection now. */
  destroy(): void {
    this.retire();
    for (const connection of this.open) connection.destroy();
  }

  private connect(): ReplicaConnection {
    const connection = new ReplicaConnection(this.address, this);
    this.open.add(connection);
    return connection;
  }

  onIdle(connection: ReplicaConnection): void {
    if (this.retired) connection.destroy();
    else this.idle.push(connection);
  }

  /** RFC 9112 section 9.3.1: a connection may be closed at any time, and that is no fault of who sent a request into it. Others that were kept may be gone as well. */
  onBroken(call: ReplicaCall, error: Error, stale: boolean): void {
    if (stale && call.repeatable && !this.retired) this.connect().start(call);
    else call.onFailure(error);
  }

  onClosed(connection: ReplicaConnection): void {
    this.open.delete(connection);
    const at = this.idle.indexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
  }
}
