import { newStorageKey, ObjectMissing } from '@waybill/blob-storage';
import type { BlobStorage, StorageKey } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const RESERVE: Statement = { name: 'object-reserve', text: 'SELECT reg.reserve_objects_v1($1::uuid[])' };
const BATCH = 64;
/** Milliseconds after which a key is not used any more: the reaper takes it a day after it was reserved. */
const USE_WITHIN = 12 * 3_600_000;

/**
 * Storage keys whose intents are written already. One statement reserves many, so that a small body costs none of its own, and the storage
 * prepares for as many at once; those that a process leaves unused are reaped a day later.
 */
export class ReservedKeys {
  private keys: StorageKey[] = [];
  private reservedAt = 0;
  private reserving: Promise<void> | undefined;

  constructor(private readonly database: Database, private readonly storage: BlobStorage) {}

  async take(): Promise<StorageKey> {
    for (;;) {
      if (Date.now() - this.reservedAt > USE_WITHIN) this.drop();
      // the oldest: the latest are being prepared
      const key = this.keys.shift();
      if (this.keys.length < BATCH / 4) this.reserving ??= this.reserve().finally(() => (this.reserving = undefined));
      if (key !== undefined) {
        // whoever waits for the batch is told of its failure; with a key in hand nobody has to be
        this.reserving?.catch(() => undefined);
        return key;
      }
      await this.reserving;
    }
  }

  /**
   * Writes an object under a reserved key, and answers the key. Where its prepared file was removed behind our back, those of the others may be as
   * well: they are dropped, and a new key is tried once.
   */
  async use(write: (key: StorageKey) => Promise<void>): Promise<StorageKey> {
    const key = await this.take();
    try {
      await write(key);
      return key;
    } catch (error) {
      if (!(error instanceof ObjectMissing)) throw error;
    }
    this.drop();
    const another = await this.take();
    await write(another);
    return another;
  }

  private async reserve(): Promise<void> {
    const keys = Array.from({ length: BATCH }, newStorageKey);
    const now = Date.now();
    await this.database.sql(RESERVE, [keys]);
    this.keys.push(...keys);
    this.reservedAt = this.keys.length === keys.length ? now : this.reservedAt;
    // a hint, and its failure was told to the storage's observer: nobody waits for it
    void this.storage.prepare(keys).catch(() => undefined);
  }

  /** What was prepared would be held until the reaper of this process deletes it, and another one's may come first. */
  private drop(): void {
    for (const key of this.keys.splice(0)) void this.storage.delete(key).catch(() => undefined);
  }
}
