import { createHash } from 'node:crypto';
import type { Database, Statement } from '@waybill/platform';
import { auditLineSchema } from './audit-entry.js';

/** A row of the chain. */
export interface AuditRow {
  /** The entry as JSON text, as it was hashed. */
  readonly line: string;
  readonly hash: Buffer;
}

interface StoredRow extends AuditRow {
  readonly n: string;
  readonly kind: string;
  readonly outcome: string;
  readonly actor: string | null;
  readonly action: string;
  readonly repository: string | null;
  readonly address: string | null;
  readonly count: number;
}

interface HeadRow {
  readonly n: string;
  readonly hash: Buffer;
}

interface DayRow {
  readonly day: string;
  readonly first: string;
  readonly before: Buffer;
  readonly last: string;
  readonly hash: Buffer;
  readonly dropped: boolean;
}

/** What verifying found. */
export interface AuditVerdict {
  readonly entries: number;
  /** The n that every entry before was dropped after its time; 0 where none was. */
  readonly droppedUpTo: number;
  /** Hash of the last entry in hex: whoever keeps it can later tell whether anything up to here was changed. */
  readonly head: string;
  /** In words for a person; none where the chain is whole. */
  readonly faults: readonly string[];
}

const PAGE = 1_000;
const FAULTS = 20;

const DAYS: Statement = {
  name: 'audit-days',
  text: `SELECT d.day::text, d.first, d.before, d.last, d.hash, to_regclass('audit.entry_' || to_char(d.day, 'YYYYMMDD')) IS NULL AS dropped FROM audit.day d ORDER BY d.first`,
};
const ROWS: Statement = {
  name: 'audit-rows',
  text: `SELECT n, kind, outcome, actor, action, repository, address, count, line, hash FROM audit.entry
    WHERE at >= ($1::date)::timestamp AT TIME ZONE 'UTC' AND at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC' AND n > $2 ORDER BY n LIMIT $3`,
};
const HEAD: Statement = { name: 'audit-head', text: 'SELECT n, hash FROM audit.head WHERE id = 1' };

/** The hash that a line gets behind another one. */
export function chainHash(before: Buffer, line: string): Buffer {
  return createHash('sha256').update(before).update(line, 'utf8').digest();
}

/** Reads the whole audit and holds every hash, every day and every column against it. Reads as the owner, or with SELECT on the schema. */
export async function verifyAudit(database: Database): Promise<AuditVerdict> {
  return database.transaction(async (sql) => {
    const walk = new ChainWalk();
    for (const day of await sql<DayRow>(DAYS)) {
      walk.beginDay(day);
      if (day.dropped) continue;
      for (let rows: StoredRow[] = []; ;) {
        rows = await sql<StoredRow>(ROWS, [day.day, walk.n, PAGE]);
        for (const row of rows) walk.step(row);
        if (rows.length < PAGE) break;
      }
      walk.endDay(day);
    }
    const [head] = await sql<HeadRow>(HEAD);
    return walk.end(head);
  }, 'repeatable read');
}

/** Where a reader of the chain is, and what it found wrong on the way. */
class ChainWalk {
  /** Of the last entry. */
  n = 0;
  // what the first entry goes on from: the hash of nothing
  private hash: Buffer = createHash('sha256').digest();
  private entries = 0;
  private droppedUpTo = 0;
  private readonly faults: string[] = [];

  beginDay({ day, first, before, last, hash, dropped }: DayRow): void {
    if (Number(first) !== this.n + 1) this.say(`${day} begins with ${first}, expected ${this.n + 1}`);
    if (!before.equals(this.hash)) this.say(`${day} does not go on from the entry before it`);
    if (dropped) {
      if (this.entries > 0) this.say(`the entries of ${day} are missing, and entries before them are there`);
      [this.n, this.hash, this.droppedUpTo] = [Number(last), hash, Number(last)];
    } else {
      [this.n, this.hash] = [Number(first) - 1, before];
    }
  }

  step(row: StoredRow): void {
    for (const fault of faultsOf(row, this.n + 1, this.hash)) this.say(fault);
    this.entries += 1;
    [this.n, this.hash] = [Number(row.n), row.hash];
  }

  endDay({ day, last, hash }: DayRow): void {
    if (this.n !== Number(last) || !this.hash.equals(hash)) this.say(`${day} ends with ${this.n}, expected ${last} and the hash that was noted for it`);
  }

  end(head: HeadRow | undefined): AuditVerdict {
    if (head === undefined || Number(head.n) !== this.n || !head.hash.equals(this.hash)) this.say(`the last entry is ${this.n}, and the head of the chain says ${head?.n ?? 'nothing'}`);
    return { entries: this.entries, droppedUpTo: this.droppedUpTo, head: this.hash.toString('hex'), faults: this.faults };
  }

  private say(fault: string): void {
    if (this.faults.length < FAULTS) this.faults.push(fault);
  }
}

function faultsOf(row: StoredRow, expected: number, before: Buffer): string[] {
  const faults: string[] = [];
  if (Number(row.n) !== expected) faults.push(`entry ${expected} is missing, ${row.n} follows`);
  if (!chainHash(before, row.line).equals(row.hash)) faults.push(`entry ${row.n} is not what was hashed, or not where it stood`);
  const line = auditLineSchema.safeParse(parseJson(row.line));
  if (!line.success) return [...faults, `entry ${row.n} cannot be read`];
  const { kind, outcome, actor, action, repository, address, count, n } = line.data;
  const said = [n, kind, outcome, actor, action, repository, address, count];
  const stored = [Number(row.n), row.kind, row.outcome, row.actor, row.action, row.repository, row.address, row.count];
  if (JSON.stringify(said) !== JSON.stringify(stored)) faults.push(`entry ${row.n} has columns that say something else than its line`);
  return faults;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
