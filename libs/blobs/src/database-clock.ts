import type { Database } from '@waybill/platform';

const REFRESH_MS = 60_000;

/**
 * The time of the database, without asking it each time. It runs with a clock of this process that nobody can set, and follows the database's, which
 * somebody may set, within a minute: until then uploads that begin may be taken for old ones, and refused.
 */
export class DatabaseClock {
  private timer: NodeJS.Timeout | undefined;

  /** @param offset milliseconds by which the database is ahead of performance.now() */
  constructor(private readonly database: Pick<Database, 'sql'>, private offset: number) {}

  /** Whole milliseconds since 1970. */
  now(): number {
    return Math.round(performance.now() + this.offset);
  }

  start(): void {
    // a database that does not answer is told by everything else
    this.timer = setInterval(() => void this.refresh().catch(() => undefined), REFRESH_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  async refresh(): Promise<void> {
    const [row] = await this.database.sql<{ now: number }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now');
    if (row !== undefined) this.offset = row.now - performance.now();
  }
}
