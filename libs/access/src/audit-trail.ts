import type { Database, Statement } from '@waybill/platform';
import type { AuditEntry } from './audit-entry.js';
import { AuditTally } from './audit-tally.js';
import type { Occurrence } from './audit-tally.js';

const APPEND: Statement = { name: 'audit-append', text: 'SELECT audit.append_v1($1)' };

/** Milliseconds for which single entries gather: whoever appends locks the end of the chain. */
const GATHER_MS = 100;
/** Milliseconds of what is counted together. A process that is killed loses so much of it at most. */
const TALLY_MS = 60_000;
const RETRY_MS = 1_000;
const BATCH = 500;
/** Entries that wait while the database is away, some 500 bytes each. */
const WAITING = 20_000;

export interface AuditTrailOptions {
  readonly gatherMs?: number;
  readonly tallyMs?: number;
  readonly waiting?: number;
  /** Told of every append that failed; it is tried again. */
  readonly failed?: (error: unknown) => void;
}

/**
 * The way into the audit. Nothing waits for it: an entry is written some time after what it tells of, and a request is answered whether or not it could be.
 * What may come in any number is counted (`count`), what is worth a row of its own is kept (`keep`).
 */
export class AuditTrail {
  private readonly tally = new AuditTally();
  private readonly waiting: AuditEntry[] = [];
  private lost = 0;
  private toldLost = 0;
  private timer: NodeJS.Timeout | undefined;
  private tallyTimer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private stopped = false;

  constructor(private readonly database: Database, private readonly options: AuditTrailOptions = {}) {}

  /** Entries that were given up because too many waited. */
  get dropped(): number {
    return this.lost;
  }

  count(occurrence: Occurrence, now = Date.now()): void {
    this.tally.add(occurrence, now);
    this.tallyTimer ??= setTimeout(() => this.closeTally(), this.options.tallyMs ?? TALLY_MS).unref();
  }

  keep(entry: AuditEntry): void {
    if (this.waiting.length >= (this.options.waiting ?? WAITING)) this.lost += 1;
    else this.waiting.push(entry);
    this.schedule(this.options.gatherMs ?? GATHER_MS);
  }

  /** Writes what is there, as far as the database takes it. Afterwards nothing is written any more. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    clearTimeout(this.tallyTimer);
    for (const entry of this.tally.take()) this.keep(entry);
    await this.writing;
    await this.write();
  }

  private closeTally(): void {
    this.tallyTimer = undefined;
    for (const entry of this.tally.take()) this.keep(entry);
  }

  private schedule(milliseconds: number): void {
    if (this.stopped || this.timer !== undefined || this.writing !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.writing = this.write().finally(() => {
        this.writing = undefined;
        if (this.waiting.length > 0) this.schedule(RETRY_MS);
      });
    }, milliseconds).unref();
  }

  /** Until nothing waits, or the database does not take it. An entry leaves the queue when it is committed; one of which that is not known is written again. */
  private async write(): Promise<void> {
    try {
      while (this.waiting.length > 0) {
        const batch = this.waiting.slice(0, BATCH);
        const lost = this.lost;
        const told = lost > this.toldLost ? [lostEntry(lost - this.toldLost)] : [];
        await this.database.sql(APPEND, [JSON.stringify([...batch, ...told])]);
        this.toldLost = lost;
        this.waiting.splice(0, batch.length);
      }
    } catch (error) {
      this.options.failed?.(error);
    }
  }
}

function lostEntry(count: number): AuditEntry {
  const now = new Date().toISOString();
  return { kind: 'lost', outcome: 'allowed', actor: null, auth_kind: 'none', action: 'audit', repository: null, address: null, count, since: now, until: now };
}
