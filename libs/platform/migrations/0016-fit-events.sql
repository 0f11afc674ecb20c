-- What is appended has canonical JSON (RFC 8785), and no more of it than the product makes (ADR 0031). The parameters p_meta and p_data of the functions that
-- services call are theirs to fill: a service that somebody else has taken over must not be able to keep the log from being sealed or read.

-- Whether a value has more bytes than `p_bytes`, nests deeper than 15 levels, or holds a number that a double does not hold exactly: no integer, or beyond
-- 2^53 - 1. The product's events nest 5 levels deep and count bytes. The three are in the order of their cost, a microsecond together for a small event; one
-- expression, so that the planner puts it in the place of the call. `strict`: a lax path would look at the members of arrays twice.
CREATE FUNCTION es.is_unfit(p_value jsonb, p_bytes int) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT pg_column_size(p_value) > p_bytes OR p_value @? 'strict $.**{16}'
    OR p_value @? 'strict $.**{0 to 15} ? (@ > 9007199254740991 || @ < -9007199254740991 || @.floor() != @)'
$$;

-- Raises WB422. It does not say the value: that may be large, or what should not stand in a log file.
CREATE FUNCTION es.refuse_event(p_stream text, p_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the event % of the stream % is refused: its data or meta is too large (8 MiB and 8 KiB are the bounds), nests deeper than 15 levels, or holds a number that is no integer of at most 2^53 - 1', p_type, left(p_stream, 200)
    USING ERRCODE = 'WB422';
END $$;

-- As in 0001, but what is unfit is refused. It has no search_path of its own (0005).
CREATE OR REPLACE FUNCTION es.append_one(p_stream text, p_expected bigint, p_event_id uuid, p_type text, p_schema_version smallint, p_tenant_id int,
  p_repo_id uuid, p_data jsonb, p_meta jsonb, OUT gpos bigint, OUT version bigint)
LANGUAGE plpgsql AS $$
DECLARE
  v_stream_id bigint;
BEGIN
  IF es.is_unfit(p_data, 8388608) OR es.is_unfit(p_meta, 8192) THEN PERFORM es.refuse_event(p_stream, p_type); END IF;
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

-- As in 0001, but what is unfit is refused.
CREATE OR REPLACE FUNCTION es.append(p_appends jsonb) RETURNS TABLE (stream text, version bigint, gpos bigint)
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
  PERFORM es.refuse_event(a.value ->> 'stream', e.value ->> 'type')
    FROM jsonb_array_elements(p_appends) a(value), jsonb_array_elements(a.value -> 'events') e(value)
    WHERE es.is_unfit(e.value -> 'data', 8388608) OR es.is_unfit(e.value -> 'meta', 8192);
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

REVOKE ALL ON FUNCTION es.is_unfit(jsonb, int), es.refuse_event(text, text) FROM PUBLIC;

-- Where each partition of the relay's topic ended, by the count of its brokers: one that ends before that has lost events. Null: sent by an earlier release.
ALTER TABLE es.relay_partition ADD COLUMN tail bigint;
