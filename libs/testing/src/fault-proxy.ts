import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Faults {
  /** Milliseconds that each byte takes longer, in both directions. */
  readonly latency?: number;
  /** Of each connection and direction, at most. */
  readonly bytesPerSecond?: number;
  /** Bytes of the server after which a connection is reset. */
  readonly cutAfter?: number;
}

/** Bytes that go through at once where the bandwidth is limited. */
const SLICE = 16 * 1024;

/**
 * Stands before any TCP server on 127.0.0.1 and spoils what passes: for Postgres, S3 and the services. What is set holds for connections that are open
 * already too. Calls of S3 are spoiled by S3Proxy, which understands them.
 */
export class FaultProxy {
  private faults: Faults = {};
  /** The clients' ends. */
  private readonly clients = new Set<Socket>();
  private gate: Promise<void> | undefined;
  private openGate: () => void = () => undefined;
  private refuses = false;

  private constructor(private target: number | string, private readonly server: Server) {
    this.listenTo(server);
  }

  /** @param target port of the server on 127.0.0.1, or the path of its socket */
  static async start(target: number | string): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new FaultProxy(target, server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return addressOf(this.server).port;
  }

  /** Where new connections go from now on: a server that was started again may be elsewhere. */
  aim(target: number | string): void {
    this.target = target;
  }

  /** Replaces what was set before. */
  set(faults: Faults): void {
    this.faults = faults;
  }

  /** From now on no byte passes and nobody is told, as if the packets were lost. New connections are taken and hang. */
  blackhole(): void {
    this.gate ??= new Promise((resolve) => (this.openGate = resolve));
  }

  /** The network is back: what was underway arrives late. */
  heal(): void {
    this.openGate();
    this.gate = undefined;
  }

  /** Resets new connections, or takes them again; those that are open stay. */
  refuse(refuses: boolean): void {
    this.refuses = refuses;
  }

  /** Resets every client's connection. */
  reset(): void {
    for (const socket of this.clients) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.heal();
    for (const socket of this.clients) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private listenTo(server: Server): void {
    server.on('connection', (near) => {
      if (this.refuses) {
        near.resetAndDestroy();
        return;
      }
      const far = connect({ ...(typeof this.target === 'number' ? { port: this.target, host: '127.0.0.1' } : { path: this.target }), allowHalfOpen: true });
      this.join(near, far);
      void this.move(near, far);
      void this.move(far, near, this.faults.cutAfter);
    });
  }

  /** The end of one is the end of the other; while nothing passes, that neither. */
  private join(near: Socket, far: Socket): void {
    this.clients.add(near);
    for (const [one, other] of [[near, far], [far, near]] as const) {
      one.setNoDelay(true);
      one.on('error', () => undefined);
      one.on('close', (failed) => {
        this.clients.delete(one);
        const end = (): unknown => (failed && other === near ? near.resetAndDestroy() : other.destroy());
        if (this.gate === undefined) end();
        else void this.gate.then(end);
      });
    }
  }

  private async move(from: Socket, to: Socket, cutAfter = Number.POSITIVE_INFINITY): Promise<void> {
    let moved = 0;
    try {
      for await (const chunk of from.iterator({ destroyOnReturn: false })) {
        if (!Buffer.isBuffer(chunk)) continue;
        for (let at = 0; at < chunk.length; ) {
          const { latency = 0, bytesPerSecond } = this.faults;
          const slice = chunk.subarray(at, at + Math.min(bytesPerSecond === undefined ? chunk.length : SLICE, cutAfter - moved));
          await this.gate;
          if (latency > 0) await delay(latency);
          if (bytesPerSecond !== undefined) await delay((slice.length / bytesPerSecond) * 1000);
          await this.gate;
          if (to.destroyed) return;
          if (!to.write(slice)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
          at += slice.length;
          moved += slice.length;
          if (moved >= cutAfter) to.resetAndDestroy();
        }
      }
      to.end();
    } catch {
      // a reset of either side ends the other: see join
    }
  }
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the fault proxy does not listen');
  return address;
}
