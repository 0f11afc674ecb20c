import { setTimeout as delay } from 'node:timers/promises';
import type { Database, Statement } from '@waybill/platform';

const CONTINUE: Statement = { name: 'repository-deletions', text: 'SELECT access.continue_deletions_v1($1) AS outcome' };

/** Tags, manifests or links in one transaction: some 100 ms, in which nobody waits for them. */
const STEP = 500;
/** Between two looks at whether pushes are over that may have found the repository. */
const WAIT_MS = 50;
/** Between two looks for deletions that a process left behind. */
const EVERY_MS = 30_000;

export interface RepositoryDeletionsOptions {
  /** Called after each step that committed. */
  readonly appended: () => void;
  /** Told of a step that failed; it is tried again within half a minute. */
  readonly failed?: (error: unknown) => void;
  readonly step?: number;
}

/**
 * Empties repositories that were deleted, in steps: a process that dies leaves the rest to the next one that looks. Any number of processes may; each deletion is
 * one's at a time.
 */
export class RepositoryDeletions {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private stopped = false;

  constructor(private readonly database: Database, private readonly options: RepositoryDeletionsOptions) {}

  /** Looks now and every half minute. */
  start(): void {
    this.timer = setInterval(() => void this.poke(), EVERY_MS).unref();
    void this.poke();
  }

  /** Waits for the step that is under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** Resolves when nothing is left to do, or a step failed. */
  async poke(): Promise<void> {
    this.again = true;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    await this.running;
  }

  private async run(): Promise<void> {
    while (this.again && !this.stopped) {
      this.again = false;
      try {
        await this.work();
      } catch (error) {
        this.options.failed?.(error);
      }
    }
  }

  private async work(): Promise<void> {
    while (!this.stopped) {
      const [row] = await this.database.sql<{ outcome: 'none' | 'waiting' | 'more' }>(CONTINUE, [this.options.step ?? STEP]);
      if (row?.outcome === 'waiting') await delay(WAIT_MS);
      else if (row?.outcome === 'more') this.options.appended();
      else return;
    }
  }
}
