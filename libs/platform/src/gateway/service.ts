import { lookup } from 'node:dns/promises';
import type { Address } from '../config/config-values.js';
import { hostAndPort } from '../host-and-port.js';
import { probe } from './probe.js';
import type { ReplicaState } from './probe.js';
import { ReplicaPool } from './replica-pool.js';
import type { ReplicaAddress } from './replica-connection.js';

/** One process of a service, by the address that it listens on. */
export class Replica {
  /** Requests under way through this gateway. */
  pending = 0;
  state: ReplicaState = 'failing';
  /** While it is being asked for its readiness. */
  asked: Promise<void> | undefined;

  readonly pool: ReplicaPool;

  private readonly seed: number;

  /** @param origin `http://address:port`, by which it is told apart */
  constructor(readonly origin: string, address: ReplicaAddress) {
    this.pool = new ReplicaPool(address);
    this.seed = hashOf(origin);
  }

  /** Rendezvous hashing: of several replicas the one with the largest weight is the same at every gateway, and for most ids stays it when others come and go. */
  weight(hash: number): number {
    const mixed = Math.imul(hash ^ this.seed, 0x9e3779b1);
    return Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b) >>> 0;
  }
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
/** Of an upload's id: random, and the same while the rest of the id may say how far the upload got. */
const UPLOAD_DIGITS = 16;
/** Milliseconds between two looks at what takes too long, at most; less where an answer may take less. */
const SWEEP_MS = 500;

/**
 * The replicas of one service: found by DNS or listed, asked for their readiness every second, and chosen by how few requests they have. A replica
 * that refuses a connection is out at once and comes back with its first answer to a probe.
 */
export class Service {
  private replicas: readonly Replica[] = [];
  /** Of replicas that are gone, and have requests under way. */
  private readonly retired = new Set<ReplicaPool>();
  private timer: NodeJS.Timeout | undefined;
  private sweeper: NodeJS.Timeout | undefined;
  private discovering: Promise<void> | undefined;
  private turn = 0;

  constructor(private readonly options: ServiceOptions) {}

  get name(): string {
    return this.options.name;
  }

  /** Milliseconds from the last byte of a request to the first of its answer, at most. */
  get answerMs(): number {
    return this.options.answerMs;
  }

  /** Resolves after the first look, whatever that found. */
  async start(): Promise<void> {
    const sweep = (): void => {
      this.replicas.forEach(({ pool }) => pool.sweep());
      for (const pool of this.retired) {
        // a request may have gone to where nobody is any more before the name said so
        pool.sweep();
        if (pool.size.open === 0) this.retired.delete(pool);
      }
    };
    this.sweeper = setInterval(sweep, Math.min(SWEEP_MS, this.options.answerMs)).unref();
    await this.discover();
    const turn = (): void => {
      void this.discover();
      void this.ask(this.replicas);
    };
    this.timer = setInterval(turn, this.options.probeMs ?? PROBE_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all([this.discovering, ...this.replicas.map(({ asked }) => asked)]);
    clearInterval(this.sweeper);
    for (const pool of [...this.replicas.map((replica) => replica.pool), ...this.retired]) pool.destroy();
  }

  /**
   * The ready replica with the fewest requests under way; a failing one where none is ready. Where several have as few, the one that an upload's requests
   * go to, or, for what is no upload, each in turn. That is a preference and nothing else: any replica answers any request.
   */
  choose(tried?: ReadonlySet<Replica>, upload?: string): Replica | undefined {
    let best: Replica | undefined;
    const hash = upload === undefined ? undefined : hashOf(upload.slice(0, UPLOAD_DIGITS));
    if (hash === undefined) this.turn += 1;
    for (let i = 0; i < this.replicas.length; i += 1) {
      const replica = this.replicas[(this.turn + i) % this.replicas.length];
      if (replica === undefined || replica.state === 'away' || tried?.has(replica)) continue;
      if (best === undefined || isBetter(replica, best, hash)) best = replica;
    }
    return best;
  }

  count(state: ReplicaState): number {
    return this.replicas.filter((replica) => replica.state === state).length;
  }

  /** A request met a replica that is not there, or that went away in the middle: whether it comes back, the next look tells, which is now. */
  lost(replica: Replica, state: 'failing' | 'away'): void {
    this.set(replica, state);
    void this.ask(this.replicas);
  }

  /**
   * Apart from finding them, because a resolver may take many seconds to say that it does not know; and each by itself, because one that says nothing is
   * waited for while the others are asked again.
   */
  private async ask(replicas: readonly Replica[]): Promise<void> {
    await Promise.all(replicas.map((replica) => (replica.asked ??= this.askOne(replica).finally(() => (replica.asked = undefined)))));
  }

  private async askOne(replica: Replica): Promise<void> {
    this.set(replica, await probe(replica.pool));
  }

  private discover(): Promise<void> {
    this.discovering ??= this.discoverOnce().finally(() => (this.discovering = undefined));
    return this.discovering;
  }

  private async discoverOnce(): Promise<void> {
    const answers = await Promise.all(this.options.addresses.map(resolve));
    const addresses = new Map(answers.flatMap((answer) => answer ?? []).map((address) => [originOf(address), address]));
    // a resolver that does not answer has not told that anybody is gone
    const gone = answers.includes(undefined) ? [] : this.replicas.filter(({ origin }) => !addresses.has(origin));
    for (const { origin } of this.replicas) addresses.delete(origin);
    const found = [...addresses].map(([origin, address]) => new Replica(origin, address));
    this.replicas = [...this.replicas.filter((replica) => !gone.includes(replica)), ...found];
    for (const { pool } of gone) {
      pool.retire();
      this.retired.add(pool);
    }
    await this.ask(found);
  }

  private set(replica: Replica, state: ReplicaState): void {
    if (replica.state === state) return;
    replica.state = state;
    this.options.onState?.(replica);
  }
}

function isBetter(one: Replica, other: Replica, hash: number | undefined): boolean {
  if (one.state !== other.state) return one.state === 'ready';
  if (one.pending !== other.pending) return one.pending < other.pending;
  return hash !== undefined && one.weight(hash) > other.weight(hash);
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}

/** With addresses in place of the name. Undefined where the name cannot be resolved. */
async function resolve({ host, port }: Address): Promise<ReplicaAddress[] | undefined> {
  const addresses = await lookup(host, { all: true }).catch(() => undefined);
  return addresses?.map(({ address }) => ({ host: address, port }));
}

function originOf(address: ReplicaAddress): string {
  return `http://${hostAndPort(address)}`;
}
