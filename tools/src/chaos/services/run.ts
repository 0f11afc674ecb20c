import { setTimeout as sleep } from 'node:timers/promises';
import { Dice } from '../dice.js';
import { verify } from '../verify.js';
import type { Counts } from '../writer.js';
import { checkServices, type Checked } from './checks.js';
import { ServicesDeployment } from './deployment.js';
import { chooseFault, type Fault } from './faults.js';
import { Load } from './load.js';
import { Memory, type Peak } from './memory.js';
import type { Programs } from './servers.js';

export interface ServicesOptions {
  readonly faults: number;
  readonly writers: number;
  readonly seed: number;
  readonly patience: number;
  /** Seconds of load after the last fault, so that no request from before it is in doubt any more. */
  readonly settle: number;
  readonly say: (line: string) => void;
}

export interface ServicesReport extends Checked {
  /** What was done to what, in order. */
  readonly history: readonly string[];
  readonly counts: Counts;
  readonly acknowledged: number;
  /** Tags of which the ledger does not know for sure where they are. */
  readonly doubtful: number;
  readonly pulled: number;
  readonly crane: { readonly pushed: number; readonly pulled: number; readonly failed: number };
  /** Milliseconds from the end of each fault until each writer had an acknowledgement. */
  readonly recoveries: readonly number[];
  /** Milliseconds of the slowest answer. */
  readonly slowest: number;
  readonly memory: readonly Peak[];
  /** What each process last wrote, for whoever has to look into a violation. */
  readonly logs: string;
}

/** Longest time for each writer to be served again. */
const RECOVERY_MS = 60_000;
/** Longest that a fault lasts, and then what waits may wait for its turn. */
const LINGERING_MS = 45_000;
/** Longest that an upload takes, with all that a writer waits for. */
const UPLOAD_MS = 30_000;
const TWO_AT_ONCE = 0.2;
const LOG_TAIL = 20_000;

/** One run of faults over a deployment under load. */
class ServicesRun {
  private readonly history: string[] = [];
  private readonly violations: string[] = [];
  private readonly recoveries: number[] = [];
  private readonly memory: Memory;
  private readonly dice: Dice;
  private readonly load: Load;

  constructor(private readonly deployment: ServicesDeployment, programs: Programs, private readonly options: ServicesOptions) {
    const { seed, writers, patience } = options;
    this.dice = new Dice(seed);
    this.memory = new Memory(deployment.parts.replicas);
    this.load = new Load({ baseUrl: deployment.baseUrl, crane: programs.crane, writers, seed, patience, lingering: LINGERING_MS, mayForget: () => Date.now() - (deployment.parts.postgres.crashes.at(-1) ?? 0) < UPLOAD_MS });
  }

  async run(): Promise<ServicesReport> {
    this.load.start();
    try {
      await this.recovered('before the first fault');
      while (this.history.length < this.options.faults && this.violations.length === 0) await this.turn();
      await sleep(this.options.settle * 1000);
      this.look('the last fault');
    } finally {
      await this.load.stop();
    }
    return this.report();
  }

  /** One fault, or two at once, then a look whether all is well again. */
  private async turn(): Promise<void> {
    const faults = [chooseFault(this.dice, this.deployment)];
    const second = this.dice.chance(TWO_AT_ONCE) ? chooseFault(this.dice, this.deployment) : undefined;
    if (second !== undefined && this.history.length + 1 < this.options.faults && !faults.some(({ on }) => on.some((name) => second.on.includes(name)))) faults.push(second);
    const name = faults.map((fault) => fault.name).join('; at once: ');
    this.history.push(...faults.map((fault, i) => (i === 0 ? fault.name : `at once: ${fault.name}`)));
    await Promise.all(faults.map((fault) => this.apply(fault)));
    await this.recovered(name);
    this.look(name);
    this.options.say(`${this.history.length}: ${name}; back after ${Math.round(this.recoveries.at(-1) ?? 0)} ms; ${this.load.ledger.acknowledged.length} acknowledged, ${this.load.counts.unacknowledged} not`);
    await sleep(this.dice.between(0, 1_000));
  }

  /** What can be seen without stopping the load. */
  private look(after: string): void {
    this.memory.look();
    for (const replica of this.deployment.parts.replicas.filter(({ running }) => !running)) this.violations.push(`${replica.name} ended by itself after: ${after}`);
    this.violations.push(...this.load.violations);
  }

  private async apply(fault: Fault): Promise<void> {
    try {
      await fault.run();
    } catch (error) {
      this.violations.push(`${fault.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async recovered(after: string): Promise<void> {
    const took = await this.load.goesOn(RECOVERY_MS);
    if (took === undefined) this.violations.push(`some writer had nothing acknowledged for ${RECOVERY_MS / 1000} s: ${after}`);
    else this.recoveries.push(took);
  }

  private async report(): Promise<ServicesReport> {
    const { load, deployment } = this;
    const { client, ledger, counts, crane, pulled } = load;
    const content = await verify(client, ledger);
    const checked = await checkServices(deployment);
    const logs = deployment.targets.map((target) => `--- ${target.name} ---\n${target.logs().slice(-LOG_TAIL)}`).join('\n');
    client.close();
    return {
      ...checked, history: this.history, counts, acknowledged: ledger.acknowledged.length, pulled, recoveries: this.recoveries, slowest: client.slowest, logs,
      violations: [...new Set([...this.violations, ...load.violations, ...content, ...checked.violations, ...this.memory.violations])],
      doubtful: ledger.tagStates().filter(({ allowed }) => allowed.size > 1).length,
      crane: { pushed: crane.pushed, pulled: crane.pulled, failed: crane.failed },
      memory: this.memory.peaks,
    };
  }
}

/** Breaks a services deployment again and again while clients push and pull, and tells what did not hold. Rejects where it cannot be brought up or looked at. */
export async function runServicesChaos(programs: Programs, options: ServicesOptions): Promise<ServicesReport> {
  const deployment = await ServicesDeployment.start(programs);
  try {
    return await new ServicesRun(deployment, programs, options).run();
  } finally {
    await deployment.stop();
  }
}
