import type { Database, Statement } from '@waybill/platform';
import { auditLineSchema } from './audit-entry.js';
import type { AuditLine } from './audit-entry.js';

/** What an entry has to match; what is not given matches everything. */
export interface AuditQuery {
  readonly actor?: string;
  readonly repository?: string;
  readonly action?: string;
  readonly outcome?: AuditLine['outcome'];
  readonly kind?: AuditLine['kind'];
  readonly address?: string;
  /** Appended at or after it, and before `to`. */
  readonly from?: Date;
  readonly to?: Date;
}

/** Newest first; `before` is where the next page goes on, undefined where nothing follows. */
export interface AuditPage {
  readonly entries: readonly AuditLine[];
  readonly before: number | undefined;
}

/** A line of an export with its hash: SHA-256 of the hash before it and the text in `line`. */
export interface ExportedLine {
  readonly line: string;
  readonly hash: string;
}

const PAGE = 1_000;
const MATCHES = `($1::text IS NULL OR e.actor = $1) AND ($2::text IS NULL OR e.repository = $2) AND ($3::text IS NULL OR e.action = $3)
  AND ($4::text IS NULL OR e.outcome = $4) AND ($5::text IS NULL OR e.kind = $5) AND ($6::text IS NULL OR e.address = $6)
  AND e.at >= coalesce($7::timestamptz, '-infinity') AND e.at < coalesce($8::timestamptz, 'infinity')`;
const SEARCH: Statement = {
  name: 'audit-search',
  text: `SELECT e.line FROM audit.entry e WHERE ${MATCHES} AND ($9::bigint IS NULL OR e.n < $9) ORDER BY e.at DESC, e.n DESC LIMIT $10`,
};
const EXPORT: Statement = {
  name: 'audit-export',
  text: `SELECT e.line, encode(e.hash, 'hex') AS hash, e.n FROM audit.entry e WHERE ${MATCHES} AND e.n > $9 ORDER BY e.at, e.n LIMIT $10`,
};

/** @param limit entries on a page, 1 to 1000 @param before the end of the page before this one */
export async function searchAudit(database: Database, query: AuditQuery, limit: number, before?: number): Promise<AuditPage> {
  const rows = await database.sql<{ line: string }>(SEARCH, [...valuesOf(query), before ?? null, limit + 1]);
  const entries = rows.slice(0, limit).map(({ line }) => auditLineSchema.parse(JSON.parse(line)));
  return { entries, before: rows.length > limit ? entries.at(-1)?.n : undefined };
}

/** Every entry that matches, oldest first; what is appended meanwhile comes too. */
export async function* exportAudit(database: Database, query: AuditQuery = {}): AsyncGenerator<ExportedLine> {
  for (let after = 0; ;) {
    const rows = await database.sql<ExportedLine & { readonly n: string }>(EXPORT, [...valuesOf(query), after, PAGE]);
    for (const { line, hash, n } of rows) {
      yield { line, hash };
      after = Number(n);
    }
    if (rows.length < PAGE) return;
  }
}

function valuesOf({ actor, repository, action, outcome, kind, address, from, to }: AuditQuery): unknown[] {
  return [actor ?? null, repository ?? null, action ?? null, outcome ?? null, kind ?? null, address ?? null, from?.toISOString() ?? null, to?.toISOString() ?? null];
}
