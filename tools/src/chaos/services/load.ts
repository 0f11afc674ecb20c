import { setTimeout as sleep } from 'node:timers/promises';
import { Dice } from '../dice.js';
import { Ledger } from '../ledger.js';
import { Writer, noCounts, type Counts } from '../writer.js';
import { CraneLoop } from './crane-loop.js';
import { Reader } from './reader.js';
import { WatchedClient } from './watched-client.js';

export interface LoadOptions {
  readonly baseUrl: string;
  readonly crane: string;
  readonly writers: number;
  readonly seed: number;
  /** Longest wait in ms of a writer to take up an upload that broke off. */
  readonly patience: number;
  /** Milliseconds for which a request without an answer may still take effect. */
  readonly lingering: number;
  /** Whether the database may have forgotten an upload that is under way. */
  readonly mayForget: () => boolean;
}

const READERS = 2;
/** Between two operations of a writer, and after one that failed: the load stays about the same, whatever is broken. */
const PAUSE_MS = 150;

/** Writers, readers and a real client at work, and what all of them were told. */
export class Load {
  readonly client: WatchedClient;
  readonly ledger: Ledger;
  readonly counts: Counts = noCounts();
  readonly crane: CraneLoop;
  private readonly writers: readonly Writer[];
  private readonly readers: readonly Reader[];
  private stopped = false;
  private running: Promise<unknown> = Promise.resolve();

  constructor({ baseUrl, crane, writers, seed, patience, lingering, mayForget }: LoadOptions) {
    const { counts } = this;
    const client = (this.client = new WatchedClient(baseUrl, mayForget));
    const ledger = (this.ledger = new Ledger(lingering));
    this.crane = new CraneLoop(crane, new URL(baseUrl).host, ledger, new Dice(seed + 2_000));
    this.writers = Array.from({ length: writers }, (_, i) => new Writer(`w${i}`, { client, ledger, counts, dice: new Dice(seed + i + 1), patience, pause: PAUSE_MS, repeatedDeletes: true }));
    this.readers = Array.from({ length: READERS }, (_, i) => new Reader(client, ledger, new Dice(seed + 1_000 + i)));
  }

  get violations(): readonly string[] {
    return [...this.client.violations, ...[...this.writers, ...this.readers].flatMap(({ violations }) => violations)];
  }

  /** Blobs and manifests that readers pulled while things were broken. */
  get pulled(): number {
    return this.readers.reduce((sum, { pulled }) => sum + pulled, 0);
  }

  start(): void {
    const stopped = (): boolean => this.stopped;
    this.running = Promise.all([...this.writers.map((writer) => writer.work(stopped, () => sleep(PAUSE_MS))), ...this.readers.map((reader) => reader.work(stopped)), this.crane.work(stopped)]);
  }

  /** Milliseconds until each writer has had one more operation acknowledged; undefined where that takes longer than `limit`. */
  async goesOn(limit: number): Promise<number | undefined> {
    const began = performance.now();
    const before = this.writers.map(({ acknowledged }) => acknowledged);
    while (!this.writers.every(({ acknowledged }, i) => acknowledged > (before[i] ?? 0))) {
      if (performance.now() - began > limit) return undefined;
      await sleep(20);
    }
    return performance.now() - began;
  }

  /** Resolves when the last request was answered. Idempotent. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }
}
