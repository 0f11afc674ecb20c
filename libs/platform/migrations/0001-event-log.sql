-- The event log (event-log.md section 1). One transaction of the migration runner executes this file.
--
--   es.append / es.append_one  write es.stream, es.event, es.pending in the caller's transaction
--   the sealer (TypeScript)    moves es.pending to es.log and gives each event a dense seq
--   consumers                  read es.log by seq > checkpoint and keep the checkpoint in es.consumer
CREATE SCHEMA es;

-- CACHE 1 is load-bearing: sessions that cached numbers ahead would break the order inside a seal batch.
CREATE SEQUENCE es.gpos AS bigint CACHE 1;

-- The row lock of a stream is the optimistic-concurrency check and the source of (stream, version) uniqueness.
-- fillfactor: a tag that moves updates its row in place each time; the spare room keeps those updates HOT (version is not indexed).
-- autovacuum: by count, because a share of a table of millions of streams that never change again would come too late.
CREATE TABLE es.stream (
  stream_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name      text COLLATE "C" UNIQUE NOT NULL,
  version   bigint NOT NULL
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);

-- Never updated, never deleted: old partitions are exported and dropped. `event_id` is a uuidv7 made by the application.
CREATE TABLE es.event (
  gpos           bigint NOT NULL PRIMARY KEY,
  event_id       uuid NOT NULL,
  stream_id      bigint NOT NULL,
  version        bigint NOT NULL,
  type           text NOT NULL,
  schema_version smallint NOT NULL,
  tenant_id      int NOT NULL,
  repo_id        uuid,
  data           jsonb NOT NULL,
  meta           jsonb NOT NULL,
  at             timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (gpos);
CREATE INDEX ON es.event (stream_id, version);

-- The outbox: written with the event, deleted by the sealer, so nearly every row that it ever held is dead.
-- autovacuum: soon, by count alone and without pauses, else the sealer's scan walks over dead index entries.
-- vacuum_truncate off: giving the empty tail back takes an ACCESS EXCLUSIVE lock, which would stop every push for that long.
CREATE TABLE es.pending (gpos bigint PRIMARY KEY) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_threshold = -1, vacuum_truncate = false);

-- `leaf` = SHA-256(0x00 || RFC 8785 JSON of the stored row with log_id, epoch, seq); libs/events/src/leaf.ts says which fields.
CREATE TABLE es.log (
  seq       bigint NOT NULL PRIMARY KEY,
  gpos      bigint NOT NULL,
  sealed_at timestamptz NOT NULL,
  leaf      bytea NOT NULL
) PARTITION BY RANGE (seq);
CREATE INDEX ON es.log (gpos);

-- One row. Its lock makes a seal pass alone, whoever runs it. (log_id, epoch, seq) is the identity of a position; `tree` is the
-- frontier of the Merkle tree over `leaf`, null until a checkpoint was signed.
CREATE TABLE es.sealer (
  id       int PRIMARY KEY CHECK (id = 1),
  log_id   uuid NOT NULL,
  epoch    int NOT NULL,
  last_seq bigint NOT NULL,
  tree     bytea
) WITH (fillfactor = 20);
INSERT INTO es.sealer (id, log_id, epoch, last_seq) VALUES (1, gen_random_uuid(), 1, 0);

-- Checkpoints and leases with fencing numbers. The sealer's lease is the row ('es.sealer', 0, 0), whose seq stays 0.
CREATE TABLE es.consumer (
  name        text COLLATE "C",
  version     int,
  shard       int,
  seq         bigint NOT NULL DEFAULT 0,
  owner       text,
  fence       bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,
  PRIMARY KEY (name, version, shard)
) WITH (fillfactor = 50);

-- Personal data about who acted. Events hold only `ref`, so erasing a person deletes one row and no hash changes.
CREATE TABLE es.actor (
  ref        text COLLATE "C" PRIMARY KEY,
  kind       text NOT NULL,
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- Makes partitions so that at least one whole partition (50 million numbers) is free ahead of the last number drawn. Cheap when there
-- is nothing to do, safe to call from several sessions. Returns how many partitions it made.
-- Attaching an empty table takes SHARE UPDATE EXCLUSIVE on the parent; CREATE TABLE ... PARTITION OF would take ACCESS EXCLUSIVE and
-- stop every push. autovacuum_freeze_min_age = 0: rows never change, so the first vacuum may freeze them for good.
CREATE FUNCTION es.ensure_partitions() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  c_rows CONSTANT bigint := 50000000;
  v_made int := 0;
  v_parent text;
  v_key text;
  v_part text;
  v_last bigint;
BEGIN
  FOR v_parent, v_key, v_last IN
    SELECT 'event', 'gpos', coalesce(pg_sequence_last_value('es.gpos'), 0) UNION ALL SELECT 'log', 'seq', last_seq FROM es.sealer WHERE id = 1
  LOOP
    FOR i IN v_last / c_rows .. v_last / c_rows + 1 LOOP
      v_part := format('%s_%s', v_parent, lpad(i::text, 4, '0'));
      CONTINUE WHEN to_regclass('es.' || v_part) IS NOT NULL;
      PERFORM pg_advisory_xact_lock(hashtextextended('es.ensure_partitions', 0));
      -- a query, not to_regclass: that one may still answer from before the lock was waited for
      CONTINUE WHEN EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = 'es'::regnamespace AND c.relname = v_part);
      EXECUTE format('CREATE TABLE es.%I (LIKE es.%I INCLUDING DEFAULTS, CHECK (%I >= %s AND %I < %s)) WITH (autovacuum_freeze_min_age = 0)',
        v_part, v_parent, v_key, i * c_rows, v_key, (i + 1) * c_rows);
      EXECUTE format('ALTER TABLE es.%I ATTACH PARTITION es.%I FOR VALUES FROM (%s) TO (%s)',
        v_parent, v_part, i * c_rows, (i + 1) * c_rows);
      v_made := v_made + 1;
    END LOOP;
  END LOOP;
  RETURN v_made;
END $$;
SELECT es.ensure_partitions();

-- Raises the one version conflict of the log: SQLSTATE WB409, DETAIL = JSON {stream, expected, actual}. `actual` is the true version, 0 =
-- the stream does not exist. Where the caller does not know it, its failed upsert has locked the row and this later snapshot reads it.
CREATE FUNCTION es.version_conflict(p_stream text, p_expected bigint, p_actual bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actual bigint := coalesce(p_actual, (SELECT s.version FROM es.stream s WHERE s.name = p_stream));
BEGIN
  RAISE EXCEPTION 'stream % is at version %, expected %', p_stream, v_actual, p_expected USING ERRCODE = 'WB409',
    DETAIL = json_build_object('stream', p_stream, 'expected', p_expected, 'actual', v_actual)::text;
END $$;

-- Appends one event to one stream. p_expected: NULL = any, 0 = the stream must not exist, n = it must be at version n.
-- Raises WB409 on a conflict. For SQL functions that run as the owner; the stream row stays locked until the caller commits.
-- gpos is drawn after that lock is held: this makes gpos order equal version order within a stream, which the sealer relies on.
-- Three plain statements on purpose: one statement of data-modifying CTEs was measured 12 % dearer, and leaves the order to the planner.
CREATE FUNCTION es.append_one(p_stream text, p_expected bigint, p_event_id uuid, p_type text, p_schema_version smallint, p_tenant_id int,
  p_repo_id uuid, p_data jsonb, p_meta jsonb, OUT gpos bigint, OUT version bigint)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_stream_id bigint;
BEGIN
  INSERT INTO es.stream AS s (name, version) VALUES (p_stream, 1)
    ON CONFLICT (name) DO UPDATE SET version = s.version + 1 WHERE p_expected IS NULL OR s.version = p_expected
    RETURNING s.stream_id, s.version INTO v_stream_id, append_one.version;
  -- Not found: it is at another version. Found at 1 with an expected n > 0: it did not exist; the exception undoes the insert.
  IF NOT FOUND OR append_one.version <> p_expected + 1 THEN
    PERFORM es.version_conflict(p_stream, p_expected, CASE WHEN FOUND THEN 0 END);
  END IF;
  append_one.gpos := nextval('es.gpos');
  INSERT INTO es.event (gpos, event_id, stream_id, version, type, schema_version, tenant_id, repo_id, data, meta)
    VALUES (append_one.gpos, p_event_id, v_stream_id, append_one.version, p_type, p_schema_version, p_tenant_id, p_repo_id, p_data, p_meta);
  INSERT INTO es.pending (gpos) VALUES (append_one.gpos);
END $$;

-- Appends to several streams, all or nothing. p_appends = [{stream, expected, events: [{event_id, type, schema_version, tenant_id,
-- repo_id, data, meta}]}]; expected as in append_one (absent or null = any). Streams are locked in name order, so that two callers never
-- deadlock; events get their gpos in the order given. Returns one row per event in that order. Raises WB409.
CREATE FUNCTION es.append(p_appends jsonb) RETURNS TABLE (stream text, version bigint, gpos bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  r record;
  v_id bigint;
  v_version bigint;
  v_ids bigint[];
  v_bases bigint[];
BEGIN
  FOR r IN
    SELECT a.ord, a.value ->> 'stream' AS name, (a.value ->> 'expected')::bigint AS expected, jsonb_array_length(a.value -> 'events') AS n
    FROM jsonb_array_elements(p_appends) WITH ORDINALITY a(value, ord) ORDER BY (a.value ->> 'stream') COLLATE "C", a.ord
  LOOP
    INSERT INTO es.stream AS s (name, version) VALUES (r.name, r.n)
      ON CONFLICT (name) DO UPDATE SET version = s.version + r.n WHERE r.expected IS NULL OR s.version = r.expected
      RETURNING s.stream_id, s.version INTO v_id, v_version;
    IF NOT FOUND OR v_version <> r.expected + r.n THEN
      PERFORM es.version_conflict(r.name, r.expected, CASE WHEN FOUND THEN 0 END);
    END IF;
    v_ids[r.ord] := v_id;
    v_bases[r.ord] := v_version - r.n;
  END LOOP;
  RETURN QUERY
    WITH item AS (
      SELECT a.ord, e.ord AS n, a.value ->> 'stream' AS stream, e.value
      FROM jsonb_array_elements(p_appends) WITH ORDINALITY a(value, ord), jsonb_array_elements(a.value -> 'events') WITH ORDINALITY e(value, ord)
    ), event AS (
      INSERT INTO es.event (gpos, event_id, stream_id, version, type, schema_version, tenant_id, repo_id, data, meta)
      SELECT nextval('es.gpos'), (i.value ->> 'event_id')::uuid, v_ids[i.ord], v_bases[i.ord] + i.n, i.value ->> 'type',
        (i.value ->> 'schema_version')::smallint, (i.value ->> 'tenant_id')::int, (i.value ->> 'repo_id')::uuid, i.value -> 'data', i.value -> 'meta'
      FROM (SELECT * FROM item ORDER BY ord, n) i
      RETURNING event.gpos, event.stream_id, event.version
    ), pending AS (
      INSERT INTO es.pending (gpos) SELECT event.gpos FROM event
    )
    SELECT i.stream, event.version, event.gpos
    FROM event JOIN (SELECT DISTINCT item.stream, v_ids[item.ord] AS stream_id FROM item) i USING (stream_id) ORDER BY event.gpos;
END $$;

-- A service gets the right to call exactly the functions that its role needs.
REVOKE ALL ON FUNCTION es.ensure_partitions(), es.version_conflict(text, bigint, bigint), es.append(jsonb),
  es.append_one(text, bigint, uuid, text, smallint, int, uuid, jsonb, jsonb) FROM PUBLIC;
