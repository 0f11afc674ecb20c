-- A personal token that got into other hands must not outlive its revocation in the tokens that were made through it.
--
-- maker: the credential that whoever made this one was logged in with; NULL: a password, or an earlier release. What a personal token made of its own kind ends with
-- it. The secret of a robot is another principal's: it says who made it, and goes on.
-- revoked_with: the credential whose revocation took this one along.
ALTER TABLE access.credential ADD COLUMN maker uuid, ADD COLUMN revoked_with uuid;
CREATE INDEX credential_maker ON access.credential (maker) WHERE maker IS NOT NULL;
CREATE INDEX credential_revoked_with ON access.credential (revoked_with) WHERE revoked_with IS NOT NULL;

-- As v1. p_maker: see above; under the lock, so that nothing is made through what is revoked at the same moment.
CREATE FUNCTION access.issue_credential_v2(p_id uuid, p_principal uuid, p_name text, p_hash bytea, p_expires timestamptz, p_maker uuid, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.principal; v_maker access.credential; v_kind text; v_live int;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.principal p WHERE p.principal_id = p_principal AND p.state <> 'revoked' FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('principal'); END IF;
  IF v.state <> 'active' THEN PERFORM access.refuse('disabled', 'a disabled principal gets no new secret; enable it first'); END IF;
  v_kind := CASE v.kind WHEN 'robot' THEN 'robot' ELSE 'personal' END;
  IF p_maker IS NOT NULL THEN
    SELECT * INTO v_maker FROM access.credential c WHERE c.credential_id = p_maker AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp());
    IF NOT FOUND THEN PERFORM access.refuse('state', 'the token that it would be made through has ended'); END IF;
    IF v_kind = 'personal' AND v_maker.principal_id <> p_principal THEN PERFORM access.refuse('state', 'a personal token makes others of its own user only'); END IF;
    IF v_kind = 'personal' AND v_maker.expires_at IS NOT NULL AND (p_expires IS NULL OR p_expires > v_maker.expires_at) THEN
      PERFORM access.refuse('invalid', format('the token that it would be made through ends at %s, and makes none that ends later', access.utc(v_maker.expires_at)));
    END IF;
  END IF;
  SELECT count(*) INTO v_live FROM access.credential c WHERE c.principal_id = p_principal AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp());
  IF v_live >= (CASE v_kind WHEN 'robot' THEN 2 ELSE 100 END) THEN PERFORM access.refuse('too_many', format('it has %s live secrets, the most there may be; revoke one first', v_live)); END IF;
  INSERT INTO access.credential (credential_id, principal_id, kind, name, hash, expires_at, maker) VALUES (p_id, p_principal, v_kind, p_name, p_hash, p_expires, p_maker);
  RETURN access.append('credential-' || p_id, 0, 'CredentialIssued', v.tenant_id,
    jsonb_build_object('credential', p_id, 'principal', p_principal, 'kind', v_kind, 'name', p_name, 'expires_at', access.utc(p_expires))
      || CASE WHEN p_maker IS NULL THEN '{}' ELSE jsonb_build_object('maker', p_maker) END, '{}', p_meta);
END $$;

-- As in 0013, but the personal tokens that were made through it, and through those, go with it: each by an event of its own, before its own.
CREATE OR REPLACE FUNCTION access.revoke_credential_v1(p_id uuid, p_principal uuid, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.credential; v_made access.credential; v_count int := 0; v_tenant int := (SELECT p.tenant_id FROM access.principal p WHERE p.principal_id = p_principal);
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.credential c WHERE c.credential_id = p_id AND c.principal_id = p_principal FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('credential'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('credential-' || p_id, p_expected, v.version); END IF;
  IF v.revoked_at IS NOT NULL THEN RETURN v.version; END IF;
  FOR v_made IN
    WITH RECURSIVE made (id) AS (
      SELECT c.credential_id FROM access.credential c WHERE c.maker = p_id AND c.kind = 'personal'
      UNION SELECT c.credential_id FROM made m JOIN access.credential c ON c.maker = m.id WHERE c.kind = 'personal'
    ) UPDATE access.credential c SET revoked_at = clock_timestamp(), revoked_with = p_id, version = c.version + 1 FROM made m WHERE c.credential_id = m.id AND c.revoked_at IS NULL RETURNING c.*
  LOOP
    DELETE FROM access.refresh_token r WHERE r.credential_id = v_made.credential_id;
    PERFORM access.append('credential-' || v_made.credential_id, v_made.version - 1, 'CredentialRevoked', v_tenant,
      jsonb_build_object('credential', v_made.credential_id, 'principal', v_made.principal_id, 'kind', v_made.kind, 'name', v_made.name, 'revoked_with', p_id),
      jsonb_build_object('credentials', jsonb_build_array(v_made.credential_id)), p_meta);
    v_count := v_count + 1;
  END LOOP;
  UPDATE access.credential c SET revoked_at = clock_timestamp(), version = c.version + 1 WHERE c.credential_id = p_id;
  DELETE FROM access.refresh_token r WHERE r.credential_id = p_id;
  RETURN access.append('credential-' || p_id, v.version, 'CredentialRevoked', v_tenant,
    jsonb_build_object('credential', p_id, 'principal', p_principal, 'kind', v.kind, 'name', v.name) || CASE v_count WHEN 0 THEN '{}' ELSE jsonb_build_object('took_along', v_count) END,
    jsonb_build_object('credentials', jsonb_build_array(p_id)), p_meta);
END $$;

-- As identity_v1, with the end of the account: what is given out for it must not live longer.
CREATE FUNCTION access.identity_v2(p_login text)
RETURNS TABLE (id uuid, login text, kind text, admin boolean, epoch int, networks text[], live boolean, groups text[], until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT i.*, p.until FROM access.identity_v1(p_login) i JOIN access.principal p ON p.principal_id = i.id
$$;

-- As v1, which answers false where this refuses, so that it is made under an idempotency key like everything else.
CREATE FUNCTION access.create_repository_v2(p_name text, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT access.create_repository_v1(p_name, p_meta) THEN PERFORM access.refuse('exists', 'there is a repository of that name'); END IF;
  RETURN (SELECT s.version FROM reg.repo r JOIN es.stream s ON s.name = 'repo-' || r.repo_id WHERE r.name = p_name);
END $$;

-- As v1, but also the one that signs: for a key that got into other hands. The next one signs from this moment; where there is none, the token service makes one.
CREATE FUNCTION access.withdraw_signing_key_v2(p_kid text, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_state text; v_next text; v_now timestamptz := clock_timestamp();
BEGIN
  PERFORM access.lock();
  SELECT k.state INTO v_state FROM access.signing_key k WHERE k.kid = p_kid AND (k.state <> 'retired' OR k.published_until > v_now) FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('signing key of that kid that is published'); END IF;
  UPDATE access.signing_key k SET state = 'retired', published_until = v_now WHERE k.kid = p_kid;
  IF v_state = 'active' THEN
    UPDATE access.signing_key k SET state = 'active', activated_at = v_now WHERE k.state = 'next' RETURNING k.kid INTO v_next;
    IF FOUND THEN
      PERFORM access.append('signingkey-' || v_next, NULL, 'SigningKeyRotated', NULL, jsonb_build_object('before', p_kid, 'after', v_next, 'published_until', access.utc(v_now)), '{}', p_meta);
    END IF;
  END IF;
  RETURN access.append('signingkey-' || p_kid, NULL, 'SigningKeyWithdrawn', NULL, jsonb_build_object('kid', p_kid), '{}', p_meta);
END $$;

REVOKE ALL ON FUNCTION access.issue_credential_v2, access.revoke_credential_v1, access.identity_v2, access.create_repository_v2, access.withdraw_signing_key_v2 FROM PUBLIC;
