-- What is too old, and what is new enough, is found by its index. clock_timestamp() moves while a statement runs, so no index serves a comparison with it, and each of these read its
-- whole table: what was taken back in a day for every revocation and, each second, for every replica; the refresh tokens of everybody for every one that was
-- issued; the keys of a day for every command. statement_timestamp() is the same within a statement and never later.

-- As in 0013 but for that.
CREATE OR REPLACE FUNCTION access.append(p_stream text, p_expected bigint, p_type text, p_tenant int, p_data jsonb, p_narrows jsonb, p_meta jsonb, p_repo uuid DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_event record;
BEGIN
  v_event := es.append_one(p_stream, p_expected, reg.event_id(), p_type, 1::smallint, coalesce(p_tenant, 0), p_repo,
    CASE WHEN p_narrows = '{}' THEN p_data ELSE p_data || jsonb_build_object('narrows', p_narrows) END, p_meta);
  IF p_narrows <> '{}' THEN
    INSERT INTO access.narrowing (gpos, at) VALUES (v_event.gpos, clock_timestamp());
    DELETE FROM access.narrowing n WHERE n.at < statement_timestamp() - interval '1 day';
  END IF;
  RETURN v_event.version;
END $$;

CREATE OR REPLACE FUNCTION access.revocations_since_v1(p_seq bigint, p_seconds int) RETURNS TABLE (seq bigint, narrows jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.seq, e.data -> 'narrows' FROM access.narrowing n JOIN es.event e ON e.gpos = n.gpos LEFT JOIN es.log l ON l.gpos = n.gpos
    WHERE n.at > statement_timestamp() - make_interval(secs => p_seconds) AND (l.seq IS NULL OR l.seq > p_seq)
  UNION ALL SELECT z.last_seq, NULL FROM es.sealer z WHERE z.id = 1
$$;

CREATE OR REPLACE FUNCTION access.issue_refresh_token_v1(p_hash bytea, p_principal text, p_epoch int, p_credential uuid, p_service text, p_expires timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_state text;
BEGIN
  IF access.uuid(p_principal) IS NOT NULL THEN
    PERFORM 1 FROM access.principal p WHERE p.principal_id = access.uuid(p_principal) AND p.epoch = p_epoch AND p.state = 'active' FOR SHARE;
    IF NOT FOUND THEN RETURN false; END IF;
  END IF;
  IF p_credential IS NOT NULL THEN
    PERFORM 1 FROM access.credential c WHERE c.credential_id = p_credential AND c.revoked_at IS NULL FOR SHARE;
    IF NOT FOUND THEN RETURN false; END IF;
  END IF;
  DELETE FROM access.refresh_token r WHERE r.expires_at < statement_timestamp();
  DELETE FROM access.refresh_token r WHERE r.principal_id = p_principal AND r.issued_at <=
    (SELECT x.issued_at FROM access.refresh_token x WHERE x.principal_id = p_principal ORDER BY x.issued_at DESC OFFSET 999 LIMIT 1);
  INSERT INTO access.refresh_token (hash, principal_id, credential_id, service, expires_at) VALUES (p_hash, p_principal, p_credential, p_service, p_expires);
  RETURN true;
END $$;

CREATE OR REPLACE FUNCTION access.begin_command_v1(p_actor text, p_key text, p_fingerprint text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.command;
BEGIN
  DELETE FROM access.command c WHERE c.at < statement_timestamp() - interval '1 day';
  INSERT INTO access.command (actor, key, fingerprint) VALUES (p_actor, p_key, p_fingerprint) ON CONFLICT DO NOTHING;
  IF FOUND THEN RETURN NULL; END IF;
  SELECT * INTO v FROM access.command c WHERE c.actor = p_actor AND c.key = p_key;
  IF v.fingerprint <> p_fingerprint THEN PERFORM access.refuse('key_reused', 'the idempotency key was used for another request'); END IF;
  RETURN coalesce(v.outcome, 'null');
END $$;
