import type { Database } from '@waybill/platform';

/** Everything that is true of a log at rest (after a sealer drained it). Each query answers the rows that break its promise. */
const BROKEN: Readonly<Record<string, string>> = {
  'every event has exactly one number': `SELECT e.gpos, count(l.seq)::int AS numbers FROM es.event e LEFT JOIN es.log l USING (gpos) GROUP BY e.gpos HAVING count(l.seq) <> 1`,
  'every number has an event': 'SELECT l.seq FROM es.log l LEFT JOIN es.event e USING (gpos) WHERE e.gpos IS NULL',
  'seq is dense from 1': 'SELECT seq FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM es.log) x WHERE seq <> n',
  'last_seq is the last number': 'SELECT last_seq FROM es.sealer WHERE last_seq <> (SELECT coalesce(max(seq), 0) FROM es.log)',
  'versions of a stream rise with seq and are dense': `SELECT stream_id, version, seq FROM (
      SELECT e.stream_id, e.version, l.seq, row_number() OVER (PARTITION BY e.stream_id ORDER BY l.seq) AS n FROM es.event e JOIN es.log l USING (gpos)) x
    WHERE version <> n`,
  'a stream is at the version of its last event': `SELECT s.name FROM es.stream s LEFT JOIN es.event e USING (stream_id)
    GROUP BY s.stream_id HAVING s.version <> coalesce(max(e.version), 0)`,
  'nothing is pending': 'SELECT gpos FROM es.pending',
};

/** The promises of the log that do not hold, with how many rows break each; empty when all is well. */
export async function brokenInvariants(database: Database): Promise<string[]> {
  const broken: string[] = [];
  for (const [promise, text] of Object.entries(BROKEN)) {
    const rows = await database.sql<object>(text);
    if (rows.length > 0) broken.push(`${promise}: ${rows.length} rows break it, first ${JSON.stringify(rows[0])}`);
  }
  return broken;
}
