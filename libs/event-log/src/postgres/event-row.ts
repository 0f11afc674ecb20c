import type { SealedEvent, StoredEvent } from '@waybill/events';

/** Columns of a stored event, from es.event e and es.stream s. bigint columns arrive as text or number, whatever the driver is set to. */
export const EVENT_COLUMNS = `e.gpos, e.event_id, s.name AS stream, e.version, e.type, e.schema_version, e.tenant_id, e.repo_id, e.data, e.meta,
  to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`;

/**
 * What data and meta of es.event e become in memory at most, in bytes, save for escapes of control characters: an expression that reads neither, since what
 * is stored apart stays there. One byte of compressed data is at most 90 of pglz, 256 of lz4: 50 kB on disk may be 3 MB. float8, for it must not overflow.
 */
export const EVENT_BYTES = `(${bytesOf('e.data')} + ${bytesOf('e.meta')})`;

/** Of EVENT_BYTES, in one read; the first event is always taken. One event is at most a manifest of 4 MiB. */
export const MAX_READ_BYTES = 8_000_000;

function bytesOf(column: string): string {
  return `pg_column_size(${column})::float8 * CASE pg_column_compression(${column}) WHEN 'pglz' THEN 90 WHEN 'lz4' THEN 256 ELSE 1 END`;
}

/** The epoch of the position `seq`, an expression over a query's columns: one probe of a table with a row an epoch. */
export function epochAt(seq: string): string {
  return `(SELECT p.epoch FROM es.epoch p WHERE p.first_seq <= ${seq} ORDER BY p.epoch DESC LIMIT 1)`;
}

export interface EventRow {
  readonly gpos: string | number;
  readonly event_id: string;
  readonly stream: string;
  readonly version: string | number;
  readonly type: string;
  readonly schema_version: number;
  readonly tenant_id: number;
  readonly repo_id: string | null;
  readonly data: unknown;
  readonly meta: unknown;
  readonly at: string;
}

export interface SealedRow extends EventRow {
  readonly seq: string | number;
  readonly log_id: string;
  readonly epoch: number;
}

/** Numbers up to 2^53 are exact: at 10,000 events a second that is 28,000 years. */
export function storedEvent(row: EventRow): StoredEvent {
  const { gpos, event_id, stream, version, type, schema_version, tenant_id, repo_id, data, meta, at } = row;
  return { gpos: Number(gpos), event_id, stream, version: Number(version), type, schema_version, tenant_id, repo_id, data, meta, at };
}

export function sealedEvent(row: SealedRow): SealedEvent {
  return { ...storedEvent(row), log_id: row.log_id, epoch: row.epoch, seq: Number(row.seq) };
}
