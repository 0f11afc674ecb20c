-- The revocation of a token must not fail, nor hold up every other change, because of what was made through it once or what others have: each statement of a session
-- ends after five seconds, and a token that made hundreds of thousands of others could not be revoked any more.
--
-- What is looked through is what is live, a hundred of a user at most: what was revoked took along what it made, and what has ended made nothing that ends later. So both are left
-- out with all that is below them.
DROP INDEX access.credential_maker;
CREATE INDEX credential_maker ON access.credential (maker, (coalesce(expires_at, 'infinity'::timestamptz))) WHERE maker IS NOT NULL AND revoked_at IS NULL;
-- a refresh token is deleted with the credential that it was given for: of all that there are only those are looked at
CREATE INDEX refresh_token_credential ON access.refresh_token (credential_id) WHERE credential_id IS NOT NULL;
-- the live ones of a user are counted, and the newest listed
CREATE INDEX credential_live ON access.credential (principal_id) WHERE revoked_at IS NULL;
DROP INDEX access.credential_principal;
CREATE INDEX credential_principal ON access.credential (principal_id, issued_at DESC, credential_id);

-- As in 0021, but of what was made through it only what is live: nothing else is worth anything.
CREATE OR REPLACE FUNCTION access.revoke_credential_v1(p_id uuid, p_principal uuid, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.credential; v_made access.credential; v_count int := 0; v_now timestamptz; v_tenant int := (SELECT p.tenant_id FROM access.principal p WHERE p.principal_id = p_principal);
BEGIN
  PERFORM access.lock();
  v_now := clock_timestamp();
  SELECT * INTO v FROM access.credential c WHERE c.credential_id = p_id AND c.principal_id = p_principal FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('credential'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('credential-' || p_id, p_expected, v.version); END IF;
  IF v.revoked_at IS NOT NULL THEN RETURN v.version; END IF;
  FOR v_made IN
    WITH RECURSIVE made (id) AS (
      SELECT c.credential_id FROM access.credential c WHERE c.maker = p_id AND c.kind = 'personal' AND c.revoked_at IS NULL AND coalesce(c.expires_at, 'infinity'::timestamptz) > v_now
      UNION SELECT c.credential_id FROM made m JOIN access.credential c ON c.maker = m.id
        WHERE c.kind = 'personal' AND c.revoked_at IS NULL AND coalesce(c.expires_at, 'infinity'::timestamptz) > v_now
    ) UPDATE access.credential c SET revoked_at = v_now, revoked_with = p_id, version = c.version + 1 FROM made m WHERE c.credential_id = m.id RETURNING c.*
  LOOP
    DELETE FROM access.refresh_token r WHERE r.credential_id = v_made.credential_id;
    PERFORM access.append('credential-' || v_made.credential_id, v_made.version - 1, 'CredentialRevoked', v_tenant,
      jsonb_build_object('credential', v_made.credential_id, 'principal', v_made.principal_id, 'kind', v_made.kind, 'name', v_made.name, 'revoked_with', p_id),
      jsonb_build_object('credentials', jsonb_build_array(v_made.credential_id)), p_meta);
    v_count := v_count + 1;
  END LOOP;
  UPDATE access.credential c SET revoked_at = v_now, version = c.version + 1 WHERE c.credential_id = p_id;
  DELETE FROM access.refresh_token r WHERE r.credential_id = p_id;
  RETURN access.append('credential-' || p_id, v.version, 'CredentialRevoked', v_tenant,
    jsonb_build_object('credential', p_id, 'principal', p_principal, 'kind', v.kind, 'name', v.name) || CASE v_count WHEN 0 THEN '{}' ELSE jsonb_build_object('took_along', v_count) END,
    jsonb_build_object('credentials', jsonb_build_array(p_id)), p_meta);
END $$;
