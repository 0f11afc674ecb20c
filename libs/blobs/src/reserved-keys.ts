import { newStorageKey } from '@waybill/blob-storage';
import type { StorageKey } from '@waybill/blob-storage';
import type { Database, Statement } from '@waybill/platform';

const RESERVE: Statement = { name: 'object-reserve', text: 'SELECT reg.reserve_objects_v1($1::uuid[])' };
const BATCH = 64;
/** Milliseconds after which a key is not used any more: the reaper takes it a day after it was reserved. */
const USE_WITHIN = 12 * 3_600_000;

/**
 * Storage keys whose intents are written already. One statement reserves many, so that a small body costs none of its own; those that a
 * process leaves unused are reaped a day later.
 */
export class ReservedKeys {
  private keys: StorageKey[] = [];
  private reservedAt = 0;
  private reserving: Promise<void> | undefined;

  constructor(private readonly database: Database) {}

  async take(): Promise<StorageKey> {
    for (;;) {
      if (Date.now() - this.reservedAt > USE_WITHIN) this.keys = [];
      const key = this.keys.pop();
      if (this.keys.length < BATCH / 4) this.reserving ??= this.reserve().finally(() => (this.reserving = undefined));
      if (key !== undefined) {
        // whoever waits for the batch is told of its failure; with a key in hand nobody has to be
        this.reserving?.catch(() => undefined);
        return key;
      }
      await this.reserving;
    }
  }

  private async reserve(): Promise<void> {
    const keys = Array.from({ length: BATCH }, newStorageKey);
    const now = Date.now();
    await this.database.sql(RESERVE, [keys]);
    this.keys.push(...keys);
    this.reservedAt = this.keys.length === keys.length ? now : this.reservedAt;
  }
}
