import type { StoredEvent } from '@waybill/events';
import type { Database, Sql, Statement } from '@waybill/platform';
import { EventStore, VersionConflict } from '../event-store.js';
import type { AppendedEvent, ExpectedVersion, StreamAppend } from '../event-store.js';
import { EVENT_COLUMNS, storedEvent } from './event-row.js';
import type { EventRow } from './event-row.js';

const APPEND: Statement = { name: 'es-append', text: 'SELECT stream, version, gpos FROM es.append($1::jsonb)' };
const READ: Statement = {
  name: 'es-read-stream',
  text: `SELECT ${EVENT_COLUMNS} FROM es.stream s JOIN es.event e USING (stream_id)
    WHERE s.name = $1 AND e.version >= $2 ORDER BY e.version LIMIT $3`,
};

/** EventStore over es.append. `appended` is called after each append that committed by itself: the sealer's poke. */
export class PostgresEventStore extends EventStore {
  constructor(private readonly database: Database, private readonly appended: () => void = () => undefined) {
    super();
  }

  override async append(appends: readonly StreamAppend[], within?: Sql): Promise<AppendedEvent[]> {
    assertAppendable(appends);
    const body = JSON.stringify(appends.map(({ stream, expected, events }) => ({ stream, expected: expectedNumber(expected), events })));
    try {
      const rows = await (within ?? this.database.sql)<{ stream: string; version: string | number; gpos: string | number }>(APPEND, [body]);
      if (within === undefined) this.appended();
      return rows.map(({ stream, version, gpos }) => ({ stream, version: Number(version), gpos: Number(gpos) }));
    } catch (error) {
      throw versionConflictOf(error) ?? error;
    }
  }

  override async read(stream: string, fromVersion = 1, limit = 1000): Promise<StoredEvent[]> {
    const rows = await this.database.sql<EventRow>(READ, [stream, fromVersion, limit]);
    return rows.map(storedEvent);
  }
}

function assertAppendable(appends: readonly StreamAppend[]): void {
  const streams = new Set<string>();
  for (const { stream, expected, events } of appends) {
    if (streams.has(stream)) throw new RangeError(`the stream ${stream} stands twice in one append; put its events into one entry`);
    if (events.length === 0) throw new RangeError(`nothing to append to the stream ${stream}; expected at least one event`);
    if (typeof expected === 'number' && !(Number.isSafeInteger(expected) && expected >= 1)) {
      throw new RangeError(`the expected version ${expected} of the stream ${stream} is none; expected 'any', 'none' or an integer from 1`);
    }
    streams.add(stream);
  }
}

function expectedNumber(expected: ExpectedVersion): number | null {
  if (expected === 'any') return null;
  return expected === 'none' ? 0 : expected;
}

/** The conflict that an SQL function raised (SQLSTATE WB409 of es.append and es.append_one), undefined for any other error. */
export function versionConflictOf(error: unknown): VersionConflict | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'WB409') return undefined;
  const detail: unknown = 'detail' in error && typeof error.detail === 'string' ? JSON.parse(error.detail) : undefined;
  if (typeof detail !== 'object' || detail === null || !('stream' in detail && 'expected' in detail && 'actual' in detail)) return undefined;
  return new VersionConflict(String(detail.stream), Number(detail.expected), Number(detail.actual), error);
}
