import type { Database, Sql } from '@waybill/platform';
import { auditLineSchema } from './audit-entry.js';
import type { AuditLine } from './audit-entry.js';

/** What an entry has to match; what is not given matches everything. */
export interface AuditQuery {
  /** Row of es.actor; null: whoever did not log in. */
  readonly actor?: string | null | undefined;
  /** That the repository belongs to. */
  readonly organisation?: string | undefined;
  readonly repository?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: AuditLine['outcome'] | undefined;
  readonly kind?: AuditLine['kind'] | undefined;
  readonly address?: string | undefined;
  /** Appended at or after it, and before `to`. */
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** The newest first; entries that were appended together stand in no order across pages. */
export interface AuditPage {
  readonly entries: readonly AuditLine[];
  /** Where the next page goes on, also behind a page with few entries or none; undefined where nothing follows. */
  readonly last: string | undefined;
}

/** A line of an export with its hash: SHA-256 of the hash before it and the text in `line`. */
export interface ExportedLine {
  readonly line: string;
  readonly hash: string;
}

type Field = 'actor' | 'organisation' | 'repository' | 'action' | 'outcome' | 'kind' | 'address';

const COLUMNS: Readonly<Record<Field, string>> = {
  actor: 'e.actor', repository: 'e.repository', action: 'e.action', outcome: 'e.outcome', kind: 'e.kind', address: 'e.address',
  // as the index of migration 0018 has it
  organisation: `(CASE WHEN strpos(e.repository, '/') = 0 THEN 'library' ELSE split_part(e.repository, '/', 1) END)`,
};
/** Those that have an index, the one that leaves the fewest first. */
const INDEXED: readonly Field[] = ['repository', 'actor', 'address', 'organisation'];
const FIELDS: readonly Field[] = ['actor', 'organisation', 'repository', 'action', 'outcome', 'kind', 'address'];

/** Entries that one page looks at, at most. One index walks over so many of them in less than a second. */
const WINDOW = 50_000;
/** Without them a plan may sort all that matches before it takes the first. */
const IN_ORDER = 'SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; SET LOCAL plan_cache_mode = force_custom_plan';
const CURSOR = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)_([0-9a-f]{64})$/;

/** Where a page ended. Of the hash and not of `n`, because that would tell how much was written beside what one may see. */
export function isAuditCursor(text: string): boolean {
  return CURSOR.test(text);
}

/**
 * One page. It walks in one index from the newest entry on, looks at 50,000 entries at most and keeps those that match everything else, so that its cost does not grow
 * with the audit: what is rare comes after pages that have little or nothing.
 * @param limit entries on a page, 1 to 1000 @param last the end of the page before this one (isAuditCursor)
 * @param within the field whose index is walked; what the caller may see has to be all of that: how far a page got tells how much there is
 * @throws DependencyUnavailable
 */
export async function searchAudit(database: Database, query: AuditQuery, limit: number, last?: string, within?: Field, window = WINDOW): Promise<AuditPage> {
  const { walk, keep, values } = statementOf(query, within ?? INDEXED.find((field) => query[field] !== undefined), last);
  const order = 'ORDER BY e.at DESC, e.hash DESC';
  return database.transaction(async (sql: Sql) => {
    await sql(IN_ORDER);
    const rows = await sql<ExportedLine>(`SELECT e.line, encode(e.hash, 'hex') AS hash FROM (SELECT * ${walk} ${order} LIMIT ${window}) e ${keep} ${order} LIMIT ${limit + 1}`, values);
    const found = rows.slice(0, limit).map(({ line, hash }) => ({ entry: auditLineSchema.parse(JSON.parse(line)), hash }));
    const entries = found.map(({ entry }) => entry).toSorted((a, b) => b.n - a.n);
    const end = found.at(-1);
    if (rows.length > limit && end !== undefined) return { entries, last: `${end.entry.at}_${end.hash}` };
    // all that matches in what was looked at: was that all there is?
    const used = values.slice(0, walk.match(/\$\d+/g)?.length ?? 0);
    const [edge] = await sql<{ at: string; hash: string }>(`SELECT to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, encode(e.hash, 'hex') AS hash ${walk} ${order} OFFSET ${window - 1} LIMIT 1`, used);
    return { entries, last: edge === undefined ? undefined : `${edge.at}_${edge.hash}` };
  }, 'repeatable read');
}

interface SearchStatement {
  /** FROM and WHERE of what is walked over; its parameters are the first ones, each named once. */
  readonly walk: string;
  /** WHERE of what is kept of it. */
  readonly keep: string;
  readonly values: readonly unknown[];
}

/** Built for what is asked: one text for all of it, with `$1 IS NULL OR`, would use no index. */
function statementOf(query: AuditQuery, driver: Field | undefined, last: string | undefined): SearchStatement {
  const values: unknown[] = [];
  const value = (one: unknown): string => `$${values.push(one)}`;
  const condition = (field: Field): string => (query[field] === null ? `${COLUMNS[field]} IS NULL` : `${COLUMNS[field]} = ${value(query[field])}`);
  const walked = driver === undefined || query[driver] === undefined ? [] : [condition(driver)];
  if (query.from !== undefined) walked.push(`e.at >= ${value(query.from.toISOString())}::timestamptz`);
  if (query.to !== undefined) walked.push(`e.at < ${value(query.to.toISOString())}::timestamptz`);
  const [, at, hash] = CURSOR.exec(last ?? '') ?? [];
  if (at !== undefined) walked.push(`e.at <= ${value(at)}::timestamptz AND (e.at, e.hash) < (${value(at)}::timestamptz, decode(${value(hash)}, 'hex'))`);
  const walk = `FROM audit.entry e ${where(walked)}`;
  const kept = FIELDS.filter((field) => field !== driver && query[field] !== undefined).map(condition);
  return { walk, keep: where(kept), values };
}

function where(conditions: readonly string[]): string {
  return conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
}

const EXPORT_PAGE = 1_000;
const EXPORT = {
  name: 'audit-export',
  text: `SELECT e.line, encode(e.hash, 'hex') AS hash, e.n, e.at::text AS at FROM audit.entry e WHERE e.at >= $1::timestamptz AND (e.at, e.n) > ($1::timestamptz, $2::bigint) AND e.at < $3::timestamptz ORDER BY e.at, e.n LIMIT $4`,
};

/** What an export has of the audit: entries appended at or after `since`, and before `until`; all unless given. */
export interface AuditSpan {
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}

/** Every entry of the span in the order of the chain, oldest first, so that each goes on from the one before it; what is appended meanwhile comes too. */
export async function* exportAudit(database: Database, { since, until }: AuditSpan = {}): AsyncGenerator<ExportedLine> {
  const end = until?.toISOString() ?? 'infinity';
  for (let [at, n] = [since?.toISOString() ?? '-infinity', '0']; ;) {
    const rows = await database.sql<ExportedLine & { readonly n: string; readonly at: string }>(EXPORT, [at, n, end, EXPORT_PAGE]);
    for (const { line, hash } of rows) yield { line, hash };
    const last = rows.at(-1);
    if (last === undefined || rows.length < EXPORT_PAGE) return;
    [at, n] = [last.at, last.n];
  }
}

/** The line of JSON of an entry in an export: its text as it was hashed, and the hash. */
export function exportedJson({ line, hash }: ExportedLine): string {
  return `{"hash":"${hash}","entry":${line}}`;
}
