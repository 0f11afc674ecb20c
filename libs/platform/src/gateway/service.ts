import { lookup } from 'node:dns/promises';
import { Pool } from 'undici';
import type { Address } from '../config/config-values.js';

/** `ready` serves; `failing` answers, but a dependency of it does not, or it is stopping, or nobody asked it yet; `away` takes no connection. */
export type ReplicaState = 'ready' | 'failing' | 'away';

/** One process of a service, by the address that it listens on. */
export class Replica {
  /** Requests under way through this gateway. */
  pending = 0;
  state: ReplicaState = 'failing';

  constructor(readonly origin: string, readonly pool: Pool) {}
}

export interface ServiceOptions {
  /** What people are told: `blobs`. */
  readonly name: string;
  /** Where it is. A host name stands for every address that it resolves to, now or later. */
  readonly addresses: readonly Address[];
  /** Milliseconds from the last byte of a request to the first of its answer, at most. */
  readonly answerMs: number;
  /** Milliseconds between two looks at who is there. */
  readonly probeMs?: number;
  readonly onState?: (replica: Replica) => void;
}

const PROBE_MS = 1_000;
/** Milliseconds that a probe may take, and a connection to be made. */
const REACH_MS = 2_000;
/** Below the 75 s of our services (http.keepAliveTimeout), so that it is we who close, and never the service in the middle of our request. */
const KEEP_ALIVE_MS = 60_000;

/**
 * The replicas of one service: found by DNS or listed, asked for their readiness every second, and chosen by how few requests they have. A replica
 * that refuses a connection is out at once and comes back with its first answer to a probe.
 */
export class Service {
  private replicas: readonly Replica[] = [];
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private discovering: Promise<void> | undefined;
  private turn = 0;

  constructor(private readonly options: ServiceOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Resolves after the first look, whatever that found. */
  async start(): Promise<void> {
    await this.discover();
    const turn = (): void => {
      void this.discover();
      void this.look();
    };
    this.timer = setInterval(turn, this.options.probeMs ?? PROBE_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all([this.discovering, this.looking]);
    await Promise.all(this.replicas.map(({ pool }) => pool.destroy()));
  }

  /** The ready replica with the fewest requests under way, in turn where several have as few; a failing one where none is ready. */
  choose(tried?: ReadonlySet<Replica>): Replica | undefined {
    let best: Replica | undefined;
    this.turn += 1;
    for (let i = 0; i < this.replicas.length; i += 1) {
      const replica = this.replicas[(this.turn + i) % this.replicas.length];
      if (replica === undefined || replica.state === 'away' || tried?.has(replica)) continue;
      if (best === undefined || isBetter(replica, best)) best = replica;
    }
    return best;
  }

  count(state: ReplicaState): number {
    return this.replicas.filter((replica) => replica.state === state).length;
  }

  /** A request met a replica that is not there, or that went away in the middle: whether it comes back, the next look tells, which is now. */
  lost(replica: Replica, state: 'failing' | 'away'): void {
    this.set(replica, state);
    void this.look();
  }

  /** Asks those that are known; apart from finding them, because a resolver may take many seconds to say that it does not know. */
  private look(): Promise<void> {
    this.looking ??= this.ask(this.replicas).finally(() => (this.looking = undefined));
    return this.looking;
  }

  private async ask(replicas: readonly Replica[]): Promise<void> {
    await Promise.all(replicas.map(async (replica) => this.set(replica, await probe(replica))));
  }

  private discover(): Promise<void> {
    this.discovering ??= this.discoverOnce().finally(() => (this.discovering = undefined));
    return this.discovering;
  }

  private async discoverOnce(): Promise<void> {
    const answers = await Promise.all(this.options.addresses.map(resolve));
    const origins = new Set(answers.flatMap((answer) => answer ?? []));
    // a resolver that does not answer has not told that anybody is gone
    const gone = answers.includes(undefined) ? [] : this.replicas.filter(({ origin }) => !origins.has(origin));
    for (const { origin } of this.replicas) origins.delete(origin);
    const found = [...origins].map((origin) => new Replica(origin, this.open(origin)));
    this.replicas = [...this.replicas.filter((replica) => !gone.includes(replica)), ...found];
    for (const { pool } of gone) pool.close().catch(() => undefined);
    await this.ask(found);
  }

  private set(replica: Replica, state: ReplicaState): void {
    if (replica.state === state) return;
    replica.state = state;
    this.options.onState?.(replica);
  }

  private open(origin: string): Pool {
    return new Pool(origin, {
      allowH2: false,
      connectTimeout: REACH_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      headersTimeout: this.options.answerMs,
      // both ends time a body that does not move: the service its client, who is we, and the gateway its own
      bodyTimeout: 0,
    });
  }
}

function isBetter(one: Replica, other: Replica): boolean {
  if (one.state !== other.state) return one.state === 'ready';
  return one.pending < other.pending;
}

/** The origins with addresses in place of the name. Undefined where the name cannot be resolved. */
async function resolve({ host, port }: Address): Promise<string[] | undefined> {
  const addresses = await lookup(host, { all: true }).catch(() => undefined);
  return addresses?.map(({ address, family }) => `http://${family === 6 ? `[${address}]` : address}:${port}`);
}

async function probe({ pool }: Replica): Promise<ReplicaState> {
  try {
    const { statusCode, body } = await pool.request({ method: 'GET', path: '/readyz', headersTimeout: REACH_MS, bodyTimeout: REACH_MS });
    await body.dump();
    return statusCode === 200 ? 'ready' : 'failing';
  } catch {
    return 'away';
  }
}
