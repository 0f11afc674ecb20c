-- What the log of events does not hold: who was let in, who read what, and who was refused what. Callers decide how much of that there is, so it stands apart from
-- the log, is aggregated before it comes here, and is dropped by the day (event-log.md 2.4).
--
--   entry: rows in the order of `n`, dense from 1, a partition a day. Each row's `line` is the whole entry as JSON text, and
--          hash = SHA-256(hash of the row before || line): whoever kept one hash can tell whether anything before it was changed, added or taken away.
--          The other columns say what `line` says, for those who search; verifying compares them.
--   head:  the last row's n and hash; its lock puts writers in order.
--   day:   where each day's part of the chain begins and ends. It stays when the day's entries are dropped, so that the rest can still be verified.
CREATE SCHEMA audit;

CREATE TABLE audit.entry (
  n          bigint NOT NULL,
  at         timestamptz NOT NULL,                 -- when it was appended; never goes back with n
  kind       text NOT NULL,
  outcome    text NOT NULL CHECK (outcome IN ('allowed', 'challenged', 'denied')),
  actor      text COLLATE "C",                     -- row of es.actor; null for whoever did not log in
  action     text NOT NULL,
  repository text COLLATE "C",
  address    text COLLATE "C",                     -- null: of more addresses than are told apart
  count      int NOT NULL CHECK (count > 0),
  line       text NOT NULL,
  hash       bytea NOT NULL,
  PRIMARY KEY (at, n)
) PARTITION BY RANGE (at);
CREATE INDEX entry_actor ON audit.entry (actor, at);
CREATE INDEX entry_repository ON audit.entry (repository, at);

CREATE TABLE audit.head (
  id   int PRIMARY KEY CHECK (id = 1),
  n    bigint NOT NULL,
  at   timestamptz NOT NULL,
  hash bytea NOT NULL
);
INSERT INTO audit.head VALUES (1, 0, now(), sha256(''));

CREATE TABLE audit.day (
  day       date PRIMARY KEY,
  first     bigint NOT NULL,
  before    bytea NOT NULL,                        -- hash that the first row of the day goes on from
  last      bigint NOT NULL,
  hash      bytea NOT NULL
);

-- Makes the partitions of today and the next two days (UTC). Cheap when there is nothing to do, safe to call from several sessions.
CREATE FUNCTION audit.ensure_days_v1() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_made int := 0;
  v_day date;
  v_part text;
BEGIN
  FOR i IN 0 .. 2 LOOP
    v_day := (clock_timestamp() AT TIME ZONE 'UTC')::date + i;
    v_part := 'entry_' || to_char(v_day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass('audit.' || v_part) IS NOT NULL;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.ensure_days', 0));
    -- a query, not to_regclass: that one may still answer from before the lock was waited for
    CONTINUE WHEN EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = 'audit'::regnamespace AND c.relname = v_part);
    EXECUTE format('CREATE TABLE audit.%I (LIKE audit.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (autovacuum_freeze_min_age = 0)', v_part);
    EXECUTE format('ALTER TABLE audit.entry ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)',
      v_part, v_day::timestamp AT TIME ZONE 'UTC', (v_day + 1)::timestamp AT TIME ZONE 'UTC');
    v_made := v_made + 1;
  END LOOP;
  RETURN v_made;
END $$;

-- Appends entries in their order, all or nothing. p_entries = [{kind, outcome, actor, action, repository, address, count, since, until, detail}].
-- Returns the n of the last one. Whatever writes holds the lock of the head until it commits: call it with many entries and not often.
CREATE FUNCTION audit.append_v1(p_entries jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_n bigint; v_at timestamptz; v_hash bytea; v_line text; v_day date; v_first bigint; v_before bytea;
  v_entry jsonb;
BEGIN
  SELECT h.n, h.at, h.hash INTO v_n, v_at, v_hash FROM audit.head h WHERE h.id = 1 FOR UPDATE;
  -- after the lock, and never before what stands there: a clock that was set back must not put rows out of order
  v_at := greatest(v_at, clock_timestamp());
  v_day := (v_at AT TIME ZONE 'UTC')::date;
  v_first := v_n + 1;
  v_before := v_hash;
  IF to_regclass('audit.entry_' || to_char(v_day, 'YYYYMMDD')) IS NULL THEN
    PERFORM audit.ensure_days_v1();
  END IF;
  FOR v_entry IN SELECT e.value FROM jsonb_array_elements(p_entries) WITH ORDINALITY e ORDER BY e.ordinality LOOP
    v_n := v_n + 1;
    v_line := (v_entry || jsonb_build_object('n', v_n, 'at', to_char(v_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))::text;
    v_hash := sha256(v_hash || convert_to(v_line, 'UTF8'));
    INSERT INTO audit.entry (n, at, kind, outcome, actor, action, repository, address, count, line, hash)
      VALUES (v_n, v_at, v_entry ->> 'kind', v_entry ->> 'outcome', v_entry ->> 'actor', v_entry ->> 'action', v_entry ->> 'repository', v_entry ->> 'address',
        (v_entry ->> 'count')::int, v_line, v_hash);
  END LOOP;
  IF v_n < v_first THEN RETURN v_n; END IF;
  INSERT INTO audit.day (day, first, before, last, hash) VALUES (v_day, v_first, v_before, v_n, v_hash)
    ON CONFLICT (day) DO UPDATE SET last = excluded.last, hash = excluded.hash;
  UPDATE audit.head SET n = v_n, at = v_at, hash = v_hash WHERE id = 1;
  RETURN v_n;
END $$;

-- Drops the days that ended before p_keep ago. Never today's. Returns how many.
CREATE FUNCTION audit.drop_days_v1(p_keep interval) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_part text;
  v_dropped int := 0;
BEGIN
  FOR v_part IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'audit.entry'::regclass
        AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= (clock_timestamp() - greatest(p_keep, interval '1 day')) AT TIME ZONE 'UTC'
      ORDER BY 1
  LOOP
    -- attaching and detaching wait for each other, so two that drop at once do not meet in the middle
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.ensure_days', 0));
    CONTINUE WHEN NOT EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = 'audit'::regnamespace AND c.relname = v_part);
    EXECUTE format('DROP TABLE audit.%I', v_part);
    v_dropped := v_dropped + 1;
  END LOOP;
  RETURN v_dropped;
END $$;

REVOKE ALL ON SCHEMA audit FROM PUBLIC;
