import type { Socket } from 'node:net';

/** Connections of a TLS listener before their handshake is done: no request can come on them, and a server that stops need not wait for them. */
export class Handshakes {
  private readonly running = new Map<string, Socket>();

  get size(): number {
    return this.running.size;
  }

  /** @param wire the TCP connection, as it was taken */
  begin(wire: Socket): void {
    const peer = peerOf(wire);
    if (peer === undefined) return;
    this.running.set(peer, wire);
    wire.once('close', () => this.running.get(peer) === wire && this.running.delete(peer));
  }

  /** The TCP connection below `secure`, which node does not tell; undefined where it is gone. From now on it is none of these. */
  end(secure: Socket): Socket | undefined {
    const peer = peerOf(secure);
    const wire = peer === undefined ? undefined : this.running.get(peer);
    if (peer !== undefined) this.running.delete(peer);
    return wire;
  }

  destroy(): void {
    for (const wire of this.running.values()) wire.destroy();
  }
}

/** Tells apart what is open at one listener. */
function peerOf({ remoteAddress, remotePort, localAddress }: Socket): string | undefined {
  return remotePort === undefined ? undefined : `${remoteAddress}|${remotePort}|${localAddress}`;
}
