-- As in 0013, but an admin whose account ends at some time is not the one whom nobody can lock out.
CREATE OR REPLACE FUNCTION access.keep_an_admin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM access.principal p WHERE p.admin AND p.state = 'active' AND p.until IS NULL) THEN
    PERFORM access.refuse('last_admin', 'this is the last admin without an end who can log in; make another one first');
  END IF;
END $$;

-- As in 0013, but to give an admin an end may take away the last one, too.
CREATE OR REPLACE FUNCTION access.change_principal_v1(p_id uuid, p_kind text, p_changes jsonb, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_before access.principal; v_after access.principal; v_difference jsonb; v_narrows jsonb := '{}';
BEGIN
  PERFORM access.lock();
  SELECT * INTO v_before FROM access.principal p WHERE p.principal_id = p_id AND p.kind = p_kind AND p.state <> 'revoked' FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown(p_kind); END IF;
  IF p_expected <> v_before.version THEN PERFORM es.version_conflict('principal-' || p_id, p_expected, v_before.version); END IF;
  v_after := v_before;
  IF p_changes ? 'networks' THEN v_after.networks := access.texts(p_changes -> 'networks'); END IF;
  IF p_changes ? 'admin' AND p_kind = 'user' THEN v_after.admin := p_changes ->> 'admin'; END IF;
  IF p_changes ? 'description' AND p_kind = 'robot' THEN v_after.description := p_changes ->> 'description'; END IF;
  IF p_changes ? 'until' THEN v_after.until := p_changes ->> 'until'; END IF;
  v_difference := access.difference(access.principal_json(v_before), access.principal_json(v_after));
  IF v_difference IS NULL THEN RETURN v_before.version; END IF;
  UPDATE access.principal p SET networks = v_after.networks, admin = v_after.admin, description = v_after.description, until = v_after.until, version = p.version + 1
    WHERE p.principal_id = p_id;
  IF v_before.admin AND (NOT v_after.admin OR (v_before.until IS NULL AND v_after.until IS NOT NULL)) THEN PERFORM access.keep_an_admin(); END IF;
  IF (v_before.admin AND NOT v_after.admin) OR v_after.networks IS DISTINCT FROM v_before.networks OR v_after.until IS DISTINCT FROM v_before.until THEN
    v_narrows := access.narrow(ARRAY[p_id]);
  END IF;
  RETURN access.append('principal-' || p_id, v_before.version, initcap(p_kind) || 'Changed', v_before.tenant_id, jsonb_build_object('principal', p_id) || v_difference, v_narrows, p_meta);
END $$;
