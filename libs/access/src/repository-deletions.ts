import { setTimeout as delay } from 'node:timers/promises';
import type { Database, Statement } from '@waybill/platform';

const CONTINUE: Statement = { name: 'repository-deletions', text: 'SELECT access.continue_deletions_v1($1) AS outcome' };

/** Tags, manifests or links in one transaction: some 100 ms, in which nobody waits for them. */
const STEP = 500;
/** Between two looks at whether pushes are over that may have found the repository: twice as long each time, because a backup may take hours. */
const FIRST_WAIT_MS = 50;
const LAST_WAIT_MS = 5_000;
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
  private readonly ending = new AbortController();

  constructor(private readonly database: Pick<Database, 'sql'>, private readonly options: RepositoryDeletionsOptions) {}

  /** Looks now and every half minute. */
  start(): void {
    this.timer = setInterval(() => void this.poke(), EVERY_MS).unref();
    void this.poke();
  }

  /** Waits for the step that is under way. */
  async stop(): Promise<void> {
    this.ending.abort();
    clearInterval(this.timer);
    await this.running;
  }

  private get stopped(): boolean {
    return this.ending.signal.aborted;
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
    for (let wait = FIRST_WAIT_MS; !this.stopped;) {
      const [row] = await this.database.sql<{ outcome: 'none' | 'waiting' | 'more' }>(CONTINUE, [this.options.step ?? STEP]);
      if (row?.outcome === 'waiting') {
        await delay(wait, undefined, { signal: this.ending.signal }).catch(() => undefined);
        wait = Math.min(2 * wait, LAST_WAIT_MS);
      } else if (row?.outcome === 'more') {
        wait = FIRST_WAIT_MS;
        this.options.appended();
      } else return;
    }
  }
}
