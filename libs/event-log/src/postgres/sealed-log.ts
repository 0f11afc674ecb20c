import type { SealedEvent } from '@waybill/events';
import type { Sql, Statement } from '@waybill/platform';
import { epochAt, EVENT_BYTES, EVENT_COLUMNS, MAX_READ_BYTES, sealedEvent } from './event-row.js';
import type { SealedRow } from './event-row.js';

const READ: Statement = {
  name: 'es-feed-read',
  text: `WITH next AS (
      SELECT l.seq, l.gpos, sum(${EVENT_BYTES}) OVER (ORDER BY l.seq) - ${EVENT_BYTES} AS before
      FROM (SELECT seq, gpos FROM es.log WHERE seq > $1 ORDER BY seq LIMIT $2) l JOIN es.event e ON e.gpos = l.gpos
    )
    SELECT n.seq, z.log_id, ${epochAt('n.seq')} AS epoch, ${EVENT_COLUMNS}
    FROM next n JOIN es.event e ON e.gpos = n.gpos JOIN es.stream s ON s.stream_id = e.stream_id JOIN es.sealer z ON z.id = 1
    WHERE n.before < $3 ORDER BY n.seq`,
};

/** The sealed events above `after`, in the order of seq: `limit` at most, fewer where they are large. */
export async function readSealed(sql: Sql, after: number, limit: number): Promise<SealedEvent[]> {
  const rows = await sql<SealedRow>(READ, [after, limit, MAX_READ_BYTES]);
  return rows.map(sealedEvent);
}
