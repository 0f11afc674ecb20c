import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '@waybill/platform';
import { RegistryProcess } from '@waybill/testing';

const LEADS = 'this process publishes the log to Kafka';
const TAKEOVER_MS = 60_000;

/** Two relays of one log. */
export class Relays {
  private constructor(private readonly processes: readonly RegistryProcess[], private readonly database: Database) {}

  static async start(databaseUrl: string, broker: string, database: Database): Promise<Relays> {
    const settings = { WAYBILL_KAFKA_BROKERS: broker, WAYBILL_KAFKA_LEASE: '2s' };
    const first = await RegistryProcess.start({ app: 'relay', databaseUrl, settings });
    const second = await RegistryProcess.start({ app: 'relay', databaseUrl, settings });
    return new Relays([first, second], database);
  }

  /** SIGKILL to the one that publishes, at a random moment of its work, and a restart. Milliseconds until the checkpoint moved again. */
  async killLeader(): Promise<number> {
    const leader = await this.#leader();
    await sleep(Math.random() * 400);
    await leader.kill();
    const began = performance.now();
    const restarted = leader.restart();
    const before = await this.#checkpoint();
    await this.#until(async () => (await this.#checkpoint()) > before);
    const took = performance.now() - began;
    await restarted;
    return took;
  }

  async lag(): Promise<{ readonly events: number }> {
    const [row] = await this.database.sql<{ lag: string }>(`SELECT last_seq - coalesce((SELECT seq FROM es.consumer WHERE name LIKE 'kafka:%'), 0) AS lag FROM es.sealer`);
    return { events: Number(row?.lag ?? 0) };
  }

  /** Until no more than what is pushed in a moment waits; `backlog` is what waited before. Throws after `ms`. */
  async drained(backlog: number, ms: number): Promise<void> {
    await this.#until(async () => (await this.lag()).events <= Math.min(50, backlog), ms);
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.stop()));
  }

  async #leader(): Promise<RegistryProcess> {
    let leader: RegistryProcess | undefined;
    await this.#until(() => {
      leader = this.processes.find((process) => leads(process.logs()));
      return Promise.resolve(leader !== undefined);
    });
    if (leader === undefined) throw new Error('No relay publishes.');
    return leader;
  }

  async #checkpoint(): Promise<number> {
    const [row] = await this.database.sql<{ seq: string }>(`SELECT seq FROM es.consumer WHERE name LIKE 'kafka:%'`);
    return Number(row?.seq ?? 0);
  }

  async #until(holds: () => Promise<boolean>, ms = TAKEOVER_MS): Promise<void> {
    for (const end = performance.now() + ms; !(await holds()); await sleep(20)) {
      if (performance.now() > end) throw new Error(`The relays did not do what was waited for within ${ms / 1000} s.\n${this.processes.map((process) => process.logs().slice(-3000)).join('\n---\n')}`);
    }
  }
}

/** By its log since its last start. */
function leads(log: string): boolean {
  const own = log.slice(Math.max(0, log.lastIndexOf('--- started again ---')));
  return own.lastIndexOf(LEADS) > own.lastIndexOf('no longer publishes');
}
