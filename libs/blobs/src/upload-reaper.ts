import { parseStorageKey } from '@waybill/blob-storage';
import type { BlobStorage } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const EXPIRE: Statement = { name: 'upload-expire', text: 'SELECT reg.expire_uploads_v1($1) AS seen' };
const DUE: Statement = { name: 'object-due', text: 'SELECT * FROM reg.due_objects_v1($1) AS key' };
const FORGET: Statement = { name: 'object-forget', text: 'SELECT reg.forget_objects_v1($1::uuid[])' };
const BATCH = 100;

/**
 * Ends uploads that are past their time and deletes the objects that nothing uses: those of ended uploads, and the losers of two equal ones.
 * Any number may run at once: sessions are taken with SKIP LOCKED, deleting an object twice is success. Nothing else deletes bytes.
 */
export class UploadReaper {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;

  /** @param seconds between two passes @param report told of a pass that failed; the next one tries again */
  constructor(private readonly database: Database, private readonly storage: BlobStorage, private readonly seconds: number, private readonly report: (error: unknown) => void) {}

  start(): void {
    this.timer = setInterval(() => {
      this.running ??= this.pass().catch(this.report).finally(() => (this.running = undefined)).then(() => undefined);
    }, this.seconds * 1000);
    this.timer.unref();
  }

  /** Waits for a pass under way. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
  }

  /** Everything that is due now. The bytes go before the row: a crash between leaves a row, whose next delete finds nothing and succeeds. */
  async pass(): Promise<void> {
    for (let seen = BATCH; seen === BATCH; ) {
      const [row] = await this.database.sql<{ seen: number }>(EXPIRE, [BATCH]);
      seen = row?.seen ?? 0;
    }
    for (let found = BATCH; found === BATCH; ) {
      const rows = await this.database.sql<{ key: string }>(DUE, [BATCH]);
      found = rows.length;
      if (found === 0) return;
      for (const { key } of rows) await this.storage.delete(parseStorageKey(key));
      await this.database.sql(FORGET, [rows.map(({ key }) => key)]);
    }
  }
}
