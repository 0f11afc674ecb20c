import type { Database, Statement } from '@waybill/platform';

const ENSURE: Statement = { name: 'audit-ensure-days', text: 'SELECT audit.ensure_days_v1()' };
const DROP: Statement = { name: 'audit-drop-days', text: `SELECT audit.drop_days_v1(make_interval(secs => $1))` };

const EVERY_MS = 3_600_000;

/** Makes the partitions of the days to come and drops those whose time is over, each hour. Any number of processes may. */
export class AuditDays {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();

  /** @param keep seconds, at least a day; @param failed told of a pass that failed: the next one is an hour later */
  constructor(private readonly database: Database, private readonly keep: number, private readonly failed: (error: unknown) => void) {}

  start(): void {
    this.turn();
    this.timer = setInterval(() => this.turn(), EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  private turn(): void {
    this.running = this.running.then(async () => {
      await this.database.sql(ENSURE);
      await this.database.sql(DROP, [this.keep]);
    }).catch((error: unknown) => this.failed(error));
  }
}
