import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryClient, RegistryProcess } from '@waybill/testing';
import { Dice } from './dice.js';
import { Ledger } from './ledger.js';
import { embeddedPostmaster } from './log-check.js';
import { verify } from './verify.js';
import { Writer, noCounts, type Counts } from './writer.js';

export interface KillOptions {
  /** How often the registry is killed. */
  readonly kills: number;
  /** The Postgres of every so manyeth round is killed too, and must be back by itself before the registry is killed. */
  readonly postgresEvery: number;
  readonly writers: number;
  readonly seed: number;
  /** Longest wait in ms of a writer to take up an upload that broke off: past the lease of a dead writer's claim, or less to be quick. */
  readonly patience: number;
  /** Holds the log against the live tables of the registry in this data folder; resolves with what differs, undefined where they are equal. */
  readonly checkLog: (dataFolder: string) => Promise<string | undefined>;
  readonly say: (line: string) => void;
}

export interface KillReport {
  /** What was not as it had been acknowledged. Empty: all held. */
  readonly violations: readonly string[];
  readonly counts: Counts;
  readonly acknowledged: number;
  /** Milliseconds from a kill to the first 200 of the next process, each. */
  readonly recoveries: readonly number[];
}

/** Longest time for the registry to work again after its Postgres was killed. */
const RECOVERY_MS = 60_000;

/** The writers of one run and the registry they write to. */
class KillRun {
  private readonly client: RegistryClient;
  private readonly ledger = new Ledger();
  private readonly counts = noCounts();
  private readonly violations: string[] = [];
  private readonly recoveries: number[] = [];
  private readonly dice: Dice;
  private readonly writers: Writer[];
  private checked = 0;

  constructor(private readonly registry: RegistryProcess, private readonly options: KillOptions) {
    this.client = new RegistryClient(registry.baseUrl);
    this.dice = new Dice(options.seed);
    const { ledger, counts, client } = this;
    this.writers = Array.from({ length: options.writers }, (_, i) => new Writer(`w${i}`, { client, ledger, counts, dice: new Dice(options.seed + i + 1), patience: options.patience }));
  }

  async run(): Promise<KillReport> {
    for (let round = 1; round <= this.options.kills && this.violations.length === 0; round++) {
      await this.round(round);
      this.options.say(`round ${round}: ${this.ledger.acknowledged.length} acknowledged, ${this.counts.unacknowledged} unacknowledged, back after ${Math.round(this.recoveries.at(-1) ?? 0)} ms`);
    }
    this.violations.push(...(await verify(this.client, this.ledger)), ...this.writers.flatMap(({ violations }) => violations));
    const difference = await this.options.checkLog(this.registry.dataFolder);
    if (difference !== undefined) this.violations.push(difference);
    this.client.close();
    return { violations: [...new Set(this.violations)], counts: this.counts, acknowledged: this.ledger.acknowledged.length, recoveries: this.recoveries };
  }

  /** Writers at work, a kill among them, a restart, and a look at what this round was told. */
  private async round(round: number): Promise<void> {
    let stopped = false;
    const work = Promise.all(this.writers.map((writer) => writer.work(() => stopped, () => sleep(50))));
    await this.everyWriterGoesOn('after the start');
    if (round % this.options.postgresEvery === 0) {
      await this.killPostgres();
      await this.everyWriterGoesOn('after a kill of Postgres');
    }
    await sleep(this.dice.between(0, 600));
    await this.killAndRestart();
    // Some of the uploads that broke off are taken up again before the writers rest.
    await sleep(this.dice.between(100, 600));
    stopped = true;
    await work;
    this.violations.push(...(await verify(this.client, this.ledger, this.checked)));
    this.checked = this.ledger.acknowledged.length;
  }

  /** Sessions under way can still commit and be acknowledged after the kill, so the new postmaster is waited for. */
  private async killPostgres(): Promise<void> {
    const killed = embeddedPostmaster(this.registry.dataFolder);
    process.kill(killed, 'SIGKILL');
    const again = (): boolean => {
      try {
        return embeddedPostmaster(this.registry.dataFolder) !== killed;
      } catch {
        return false;
      }
    };
    for (const end = Date.now() + RECOVERY_MS; !again(); await sleep(20)) {
      if (Date.now() > end) throw new Error(`Postgres was killed and the registry did not start it again within ${RECOVERY_MS / 1000} s\n${this.registry.logs().slice(-4000)}`);
    }
  }

  /** As a supervisor does it: the next process starts as soon as the last is gone, whether or not its Postgres is. */
  private async killAndRestart(): Promise<void> {
    const { pid } = this.registry;
    const began = performance.now();
    process.kill(pid, 'SIGKILL');
    while (isThere(pid)) await sleep(1);
    await this.registry.restart();
    this.recoveries.push(performance.now() - began);
  }

  /** Waits until each writer has had one more acknowledgement. Throws, with the registry's output, when that takes longer than a minute. */
  private async everyWriterGoesOn(when: string): Promise<void> {
    const before = this.writers.map(({ acknowledged }) => acknowledged);
    const goesOn = (): boolean => this.writers.every(({ acknowledged }, i) => acknowledged > (before[i] ?? 0));
    for (const end = Date.now() + RECOVERY_MS; !goesOn(); await sleep(20)) {
      if (Date.now() > end) throw new Error(`the registry acknowledged nothing to some writer for ${RECOVERY_MS / 1000} s ${when}\n${this.registry.logs().slice(-4000)}`);
    }
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Kills a registry again and again while clients push, and tells what did not hold. Throws when it does not come back at all. */
export async function runKills(options: KillOptions): Promise<KillReport> {
  const registry = await RegistryProcess.start();
  try {
    return await new KillRun(registry, options).run();
  } finally {
    await registry.stop();
  }
}
