import { parseStorageKey } from '@waybill/blob-storage';
import type { BlobStorage } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const EXPIRE: Statement = { name: 'upload-expire', text: 'SELECT reg.expire_uploads_v1($1) AS seen' };
const DUE: Statement = { name: 'object-due', text: 'SELECT * FROM reg.due_objects_v1($1) AS key' };
const FORGET: Statement = { name: 'object-forget', text: 'SELECT reg.forget_objects_v1($1::uuid[])' };
const BATCH = 100;
/** Deletes that fail one after another: then it is the storage that fails, and not an object. */
const FAILURES = 10;
/** Passes for which an object is left alone that could not be deleted. */
const LEFT_ALONE = 10;

/**
 * Ends uploads that are past their time and deletes the objects that nothing uses: those of ended uploads, and the losers of two equal ones.
 * Any number may run at once: sessions are taken with SKIP LOCKED, deleting an object twice is success. Nothing else deletes bytes.
 */
export class UploadReaper {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  /** Objects that could not be deleted, and until which pass they are left alone: the oldest come first, and must not keep the others from being reached. */
  private readonly failed = new Map<string, number>();
  private passes = 0;

  /** @param seconds between two passes @param report told of an object that could not be deleted, and of a pass that failed; both are tried again */
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

  /** Everything that is due now, but for what could not be deleted a while ago. The bytes go before the row: a crash between leaves a row, whose next delete finds nothing and succeeds. */
  async pass(): Promise<void> {
    for (let seen = BATCH; seen === BATCH; ) {
      const [row] = await this.database.sql<{ seen: number }>(EXPIRE, [BATCH]);
      seen = row?.seen ?? 0;
    }
    this.passes += 1;
    for (const [key, until] of this.failed) if (until <= this.passes) this.failed.delete(key);
    for (let more = true; more; ) more = await this.deleteSome();
  }

  /** Gives whether there may be more. */
  private async deleteSome(): Promise<boolean> {
    const limit = BATCH + this.failed.size;
    const rows = await this.database.sql<{ key: string }>(DUE, [limit]);
    const gone: string[] = [];
    let failures = 0;
    for (const { key } of rows) {
      if (this.failed.has(key)) continue;
      if (await this.isDeleted(key)) {
        gone.push(key);
        failures = 0;
      } else if (++failures === FAILURES) break;
    }
    if (gone.length > 0) await this.database.sql(FORGET, [gone]);
    return failures < FAILURES && rows.length === limit;
  }

  private async isDeleted(key: string): Promise<boolean> {
    try {
      await this.storage.delete(parseStorageKey(key));
      return true;
    } catch (error) {
      this.failed.set(key, this.passes + LEFT_ALONE);
      this.report(new Error(`the object ${key}, which nothing uses, could not be deleted; it is tried again in ${LEFT_ALONE * this.seconds} s`, { cause: error }));
      return false;
    }
  }
}
