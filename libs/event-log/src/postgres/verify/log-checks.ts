// Positions of all events: numbered ones first, then what is pending, in the order in which the fold reads them.
const POSITIONS = `SELECT e.gpos, e.stream_id, e.version, l.seq, row_number() OVER (PARTITION BY e.stream_id ORDER BY l.seq NULLS LAST, e.gpos) AS expected
  FROM es.event e LEFT JOIN es.log l USING (gpos)`;

/** What must hold of the log itself. Each query answers one line of text for each place where it does not; they are capped by the caller. */
export const LOG_CHECKS: readonly string[] = [
  `SELECT format('es.epoch: epoch %s begins at seq %s, the one before it (%s) at %s; epochs follow each other and none falls back', epoch, first_seq, coalesce(before::text, 'none'), coalesce(began::text, 'none')) AS line
    FROM (SELECT epoch, first_seq, lag(epoch) OVER w AS before, lag(first_seq) OVER w AS began FROM es.epoch WINDOW w AS (ORDER BY epoch)) x
    WHERE CASE WHEN before IS NULL THEN first_seq <> 1 ELSE epoch <> before + 1 OR first_seq < began END ORDER BY epoch`,
  `SELECT format('es.epoch: epoch %s begins at seq %s, but no event there says so', p.epoch, p.first_seq) AS line
    FROM es.epoch p LEFT JOIN es.log l ON l.seq = p.first_seq LEFT JOIN es.event e ON e.gpos = l.gpos
    WHERE p.epoch > (SELECT min(epoch) FROM es.epoch) AND e.type IS DISTINCT FROM 'EpochStarted' ORDER BY p.epoch`,
  `SELECT format('es.sealer: the epoch is %s, the last of es.epoch is %s', z.epoch, coalesce(top::text, 'none')) AS line
    FROM es.sealer z, (SELECT max(epoch) AS top FROM es.epoch) m WHERE z.epoch IS DISTINCT FROM top`,
  `SELECT format('es.log: seq %s stands where %s was expected; numbers are missing or were added', seq, n) AS line
    FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM es.log) x WHERE seq <> n ORDER BY seq`,
  `SELECT format('es.sealer: last_seq is %s, but the last number of es.log is %s', last_seq, top) AS line
    FROM es.sealer, (SELECT coalesce(max(seq), 0) AS top FROM es.log) m WHERE last_seq <> top`,
  `SELECT format('es.log: seq %s names gpos %s, but there is no such event', l.seq, l.gpos) AS line
    FROM es.log l LEFT JOIN es.event e USING (gpos) WHERE e.gpos IS NULL ORDER BY l.seq`,
  `SELECT format('es.log: the event at gpos %s has %s numbers, expected one', gpos, count(*)) AS line FROM es.log GROUP BY gpos HAVING count(*) > 1 ORDER BY gpos`,
  `SELECT format('es.event: gpos %s has no number and is not pending; no consumer will ever see it', e.gpos) AS line
    FROM es.event e LEFT JOIN es.log l USING (gpos) LEFT JOIN es.pending p USING (gpos) WHERE l.gpos IS NULL AND p.gpos IS NULL ORDER BY e.gpos`,
  `SELECT format('es.pending: gpos %s %s', p.gpos, CASE WHEN l.gpos IS NULL THEN 'names no event' ELSE 'has its number already' END) AS line
    FROM es.pending p LEFT JOIN es.event e USING (gpos) LEFT JOIN es.log l USING (gpos) WHERE e.gpos IS NULL OR l.gpos IS NOT NULL ORDER BY p.gpos`,
  `SELECT format('stream %s: version %s (gpos %s) stands where %s was expected; an event is missing, was added, or is out of order', coalesce(s.name, '?'), x.version, x.gpos, x.expected) AS line
    FROM (${POSITIONS}) x LEFT JOIN es.stream s USING (stream_id) WHERE x.version <> x.expected ORDER BY x.gpos`,
  `SELECT format('stream %s: es.stream says version %s, its last event is %s', s.name, s.version, coalesce(max(e.version), 0)) AS line
    FROM es.stream s LEFT JOIN es.event e USING (stream_id) GROUP BY s.stream_id HAVING s.version <> coalesce(max(e.version), 0) ORDER BY s.stream_id`,
  `SELECT format('es.event: gpos %s belongs to stream id %s, which does not exist', e.gpos, e.stream_id) AS line
    FROM es.event e LEFT JOIN es.stream s USING (stream_id) WHERE s.stream_id IS NULL ORDER BY e.gpos`,
];

/** That the bytes of each live manifest are there and are what its digest says. */
export const CONTENT_CHECK = `SELECT format('content %s (repository %s): %s', m.digest, m.repo_id, CASE
      WHEN c.bytes IS NULL THEN 'its bytes are missing'
      WHEN length(c.bytes) <> m.size THEN format('has %s bytes, its manifest row says %s', length(c.bytes), m.size)
      ELSE 'its bytes do not hash to the digest' END) AS line
  FROM reg.manifest m LEFT JOIN reg.content c USING (digest)
  WHERE m.state = 'live' AND (c.bytes IS NULL OR length(c.bytes) <> m.size OR m.digest <> CASE WHEN m.digest LIKE 'sha512:%'
    THEN 'sha512:' || encode(sha512(c.bytes), 'hex') ELSE 'sha256:' || encode(sha256(c.bytes), 'hex') END)
  ORDER BY m.digest, m.repo_id`;
