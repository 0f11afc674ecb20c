import type { Database, Statement } from '@waybill/platform';

const NOTE: Statement = { name: 'credential-note-use', text: 'SELECT access.note_use_v1($1, $2)' };
const EVERY_MS = 15_000;
/** Each is a secret that exists and was right. */
const MAX_WAITING = 10_000;

/**
 * Notes when secrets were last used, in one statement every 15 seconds: a row for each login would be one that moves with every pipeline. What waits is lost
 * when the process dies.
 */
export class LastUse {
  private waiting = new Map<string, Date>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly database: Database, private readonly failed: (error: unknown) => void, private readonly everyMs = EVERY_MS) {}

  start(): void {
    this.timer = setInterval(() => void this.flush(), this.everyMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.flush();
  }

  note(credential: string): void {
    if (this.waiting.size < MAX_WAITING || this.waiting.has(credential)) this.waiting.set(credential, new Date());
  }

  /** What could not be written is tried again, unless it was used since. Never rejects. */
  async flush(): Promise<void> {
    const batch = this.waiting;
    if (batch.size === 0) return;
    this.waiting = new Map();
    try {
      await this.database.sql(NOTE, [[...batch.keys()], [...batch.values()].map((at) => at.toISOString())]);
    } catch (error) {
      this.waiting = new Map([...batch, ...this.waiting]);
      this.failed(error);
    }
  }
}
