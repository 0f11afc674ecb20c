-- A small repository is not kept from its end, nor its name from whoever wants it, by a huge one that was deleted before it: deletions take turns.
-- 0: it had no turn yet, and has the next one.
ALTER TABLE reg.repo_deletion ADD COLUMN turn bigint NOT NULL DEFAULT 0;

-- As in 0018, but one step of the deletion that waits longest for its turn, of those that nobody else is at. One that waits for transactions lets others go before it; eight are
-- looked at, so that a call stays as short as its step. Outcomes: none (nothing is left to do); waiting (all that were looked at wait: call again in a moment); more.
CREATE OR REPLACE FUNCTION access.continue_deletions_v1(p_limit int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE d reg.repo_deletion; v_waits text[]; v_last text; v_turn bigint; v_seen uuid[] := '{}';
BEGIN
  FOR i IN 1..8 LOOP
    SELECT * INTO d FROM reg.repo_deletion x WHERE x.finished_at IS NULL AND x.repo_id <> ALL (v_seen) ORDER BY x.turn, x.begun_at LIMIT 1 FOR UPDATE SKIP LOCKED;
    EXIT WHEN NOT FOUND;
    v_seen := v_seen || d.repo_id;
    SELECT max(x.turn) + 1 INTO v_turn FROM reg.repo_deletion x WHERE x.finished_at IS NULL;
    SELECT coalesce(array_agg(DISTINCT l.virtualtransaction), '{}') INTO v_waits FROM pg_locks l WHERE l.pid <> pg_backend_pid() AND
      CASE WHEN d.waits_for IS NULL
        THEN l.locktype = 'relation' AND l.relation = 'reg.repo'::regclass AND l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
          AND l.database = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
        ELSE l.virtualtransaction = ANY (d.waits_for) END;
    IF cardinality(v_waits) > 0 OR d.waits_for IS NULL THEN
      UPDATE reg.repo_deletion x SET waits_for = v_waits, turn = v_turn WHERE x.repo_id = d.repo_id;
      CONTINUE WHEN cardinality(v_waits) > 0;
      RETURN 'more';
    END IF;
    v_last := CASE d.stage WHEN 0 THEN reg.delete_tags(d, p_limit) WHEN 1 THEN reg.delete_manifests(d, p_limit) WHEN 2 THEN reg.delete_links(d, p_limit) END;
    UPDATE reg.repo_deletion x SET stage = x.stage + CASE WHEN v_last IS NULL THEN 1 ELSE 0 END, after = coalesce(v_last, ''), turn = v_turn,
      finished_at = CASE WHEN v_last IS NULL AND d.stage = 2 THEN clock_timestamp() END WHERE x.repo_id = d.repo_id;
    RETURN 'more';
  END LOOP;
  RETURN CASE WHEN cardinality(v_seen) > 0 THEN 'waiting' ELSE 'none' END;
END $$;
