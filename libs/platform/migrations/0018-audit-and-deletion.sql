-- The audit is searched by organisation and by address too (ADR 0034). An entry has no organisation: it is that of its repository, as libs/oci says it.
CREATE INDEX entry_organisation ON audit.entry ((CASE WHEN strpos(repository, '/') = 0 THEN 'library' ELSE split_part(repository, '/', 1) END), at);
CREATE INDEX entry_address ON audit.entry (address, at);

-- A repository that is deleted is gone with its row in reg.repo: every look-up begins there. What it holds goes in steps, by the row that stands here for it.
-- Until the last step nobody can make a repository of that name: its tags have to be gone from the log before those of a new one come.
CREATE TABLE reg.repo_deletion (
  repo_id     uuid PRIMARY KEY,
  tenant_id   int NOT NULL,
  name        text COLLATE "C" NOT NULL,
  purge_after timestamptz NOT NULL,                -- of its manifests
  meta        jsonb NOT NULL,                      -- of the request, for the events of the steps
  begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  waits_for   text[],                              -- transactions that may have found the repository before it was gone; NULL: nobody has looked yet
  stage       int NOT NULL DEFAULT 0,              -- what goes: 0 tags, 1 manifests, 2 links of blobs, 3 nothing any more
  after       text COLLATE "C" NOT NULL DEFAULT '',   -- how far the stage got
  finished_at timestamptz
);
CREATE UNIQUE INDEX repo_deletion_name ON reg.repo_deletion (name) WHERE finished_at IS NULL;

-- As in 0002, but the name of a repository that is being deleted is not taken yet: 55P03, which is answered as something to try again.
CREATE OR REPLACE FUNCTION reg.ensure_repo(p_name text, p_must_exist boolean, p_meta jsonb, OUT repo_id uuid, OUT tenant_id int) LANGUAGE plpgsql AS $$
DECLARE
  v_tenant text := CASE WHEN position('/' IN p_name) = 0 THEN 'library' ELSE split_part(p_name, '/', 1) END;
BEGIN
  SELECT r.repo_id, r.tenant_id INTO repo_id, tenant_id FROM reg.repo r WHERE r.name = p_name;
  IF FOUND OR p_must_exist THEN RETURN; END IF;
  SELECT t.tenant_id INTO tenant_id FROM reg.tenant t WHERE t.name = v_tenant;
  IF NOT FOUND THEN
    -- DO UPDATE, because DO NOTHING does not return the row that another push has just committed
    INSERT INTO reg.tenant AS t (name) VALUES (v_tenant) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING t.tenant_id INTO tenant_id;
  END IF;
  INSERT INTO reg.repo AS r (repo_id, tenant_id, name) VALUES (gen_random_uuid(), tenant_id, p_name) ON CONFLICT (name) DO NOTHING
    RETURNING r.repo_id INTO repo_id;
  IF FOUND THEN
    -- a new statement, after the insert: that waited for a deletion that was about to commit, and sees it now
    IF EXISTS (SELECT 1 FROM reg.repo_deletion d WHERE d.name = p_name AND d.finished_at IS NULL) THEN
      RAISE EXCEPTION 'the repository % is being deleted; it can be made anew once that is done', p_name USING ERRCODE = 'lock_not_available';
    END IF;
    PERFORM es.append_one('repo-' || repo_id, 0, reg.event_id(), 'RepositoryCreated', 1::smallint, tenant_id, repo_id,
      jsonb_build_object('name', p_name, 'tenant', v_tenant, 'visibility', 'private'), p_meta);
  ELSE
    SELECT r.repo_id, r.tenant_id INTO repo_id, tenant_id FROM reg.repo r WHERE r.name = p_name;
  END IF;
END $$;

-- Deletes a repository: from the commit on it is not there, whatever its size. p_window: for how long its manifests keep what an undelete needs. p_expected:
-- version of its stream. A public one takes something away from everybody, who would else have it in a new repository of the name.
CREATE FUNCTION access.delete_repository_v1(p_repository text, p_window interval, p_expected bigint, p_meta jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_repo uuid; v_tenant int; v_version bigint; v_public boolean; v_purge timestamptz := clock_timestamp() + p_window;
BEGIN
  PERFORM access.lock();
  SELECT r.repo_id, r.tenant_id INTO v_repo, v_tenant FROM reg.repo r WHERE r.name = p_repository FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown(format('repository %s', p_repository)); END IF;
  SELECT s.version INTO v_version FROM es.stream s WHERE s.name = 'repo-' || v_repo FOR UPDATE;
  IF p_expected <> v_version THEN PERFORM es.version_conflict('repo-' || v_repo, p_expected, v_version); END IF;
  DELETE FROM access.public_repository p WHERE p.repo_id = v_repo;
  v_public := FOUND;
  DELETE FROM reg.repo r WHERE r.repo_id = v_repo;
  INSERT INTO reg.repo_deletion (repo_id, tenant_id, name, purge_after, meta) VALUES (v_repo, v_tenant, p_repository, v_purge, p_meta);
  PERFORM access.append('repo-' || v_repo, v_version, 'RepositoryDeleted', v_tenant,
    jsonb_build_object('name', p_repository, 'tenant', access.tenant_name(v_tenant), 'visibility', CASE WHEN v_public THEN 'public' ELSE 'private' END, 'purge_after', access.utc(v_purge)),
    CASE WHEN v_public THEN access.narrow('{}', ARRAY[v_tenant]) ELSE '{}' END, p_meta, v_repo);
END $$;

-- The stages of a deletion. Each takes the next p_limit things behind d.after, and answers the last of them, NULL where there were none; nobody else can reach them.
CREATE FUNCTION reg.delete_tags(d reg.repo_deletion, p_limit int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_tag record; v_last text;
BEGIN
  FOR v_tag IN SELECT t.name, t.version, m.digest FROM reg.tag t JOIN reg.manifest m ON m.manifest_id = t.manifest_id
      WHERE t.repo_id = d.repo_id AND t.name > d.after ORDER BY t.name LIMIT p_limit FOR UPDATE OF t LOOP
    PERFORM reg.remove_tag(d.repo_id, d.tenant_id, v_tag.name, v_tag.version, v_tag.digest, 'api', d.meta);
    v_last := v_tag.name;
  END LOOP;
  RETURN v_last;
END $$;

CREATE FUNCTION reg.delete_manifests(d reg.repo_deletion, p_limit int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_manifest record; v_last text;
BEGIN
  FOR v_manifest IN SELECT m.manifest_id, m.digest, m.subject, m.state FROM reg.manifest m
      WHERE m.repo_id = d.repo_id AND m.digest > d.after ORDER BY m.digest LIMIT p_limit FOR UPDATE LOOP
    v_last := v_manifest.digest;
    CONTINUE WHEN v_manifest.state <> 'live';
    IF v_manifest.subject IS NOT NULL THEN
      DELETE FROM reg.referrer f WHERE f.repo_id = d.repo_id AND f.subject = v_manifest.subject AND f.digest = v_manifest.digest;
    END IF;
    UPDATE reg.manifest m SET state = 'deleted', deleted_at = clock_timestamp(), purge_after = d.purge_after WHERE m.manifest_id = v_manifest.manifest_id;
    PERFORM es.append_one('manifest-' || d.repo_id || '@' || v_manifest.digest, NULL, reg.event_id(), 'ManifestDeleted', 1::smallint, d.tenant_id, d.repo_id,
      jsonb_build_object('digest', v_manifest.digest, 'reason', 'repository-delete', 'purge_after', access.utc(d.purge_after)), d.meta);
  END LOOP;
  RETURN v_last;
END $$;

-- The streams say which blobs were ever linked: an index of the links by repository would have to be kept by every push.
CREATE FUNCTION reg.delete_links(d reg.repo_deletion, p_limit int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE v_stream text; v_prefix text := 'bloblink-' || d.repo_id || '@'; v_digest text; v_blob bigint; v_last text;
BEGIN
  FOR v_stream IN SELECT s.name FROM es.stream s WHERE s.name > (v_prefix || d.after) COLLATE "C" AND s.name < ('bloblink-' || d.repo_id || 'A') COLLATE "C" ORDER BY s.name LIMIT p_limit LOOP
    v_digest := substr(v_stream, length(v_prefix) + 1);
    v_last := v_digest;
    SELECT b.blob_id INTO v_blob FROM reg.blob b WHERE b.digest = v_digest AND b.state IN ('L', 'C') FOR KEY SHARE;
    CONTINUE WHEN NOT FOUND;
    DELETE FROM reg.blob_link l WHERE l.repo_id = d.repo_id AND l.blob_id = v_blob;
    CONTINUE WHEN NOT FOUND;
    PERFORM es.append_one(v_stream, NULL, reg.event_id(), 'BlobUnlinked', 1::smallint, d.tenant_id, d.repo_id, jsonb_build_object('digest', v_digest, 'reason', 'repo-purge'), d.meta);
  END LOOP;
  RETURN v_last;
END $$;

-- One step of the oldest deletion that nobody else is at: p_limit things at most. Outcomes: none (nothing is left to do); waiting (call again in a moment); more.
-- A push holds a lock of the table reg.repo from the moment it looks its repository up until it ends. So whoever holds none when the row is gone cannot have
-- found it, and when all who held one are over, nothing can come into the repository any more: what is deleted then stays so.
CREATE FUNCTION access.continue_deletions_v1(p_limit int) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE d reg.repo_deletion; v_waits text[]; v_last text;
BEGIN
  SELECT * INTO d FROM reg.repo_deletion x WHERE x.finished_at IS NULL ORDER BY x.begun_at LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN 'none'; END IF;
  SELECT coalesce(array_agg(DISTINCT l.virtualtransaction), '{}') INTO v_waits FROM pg_locks l WHERE l.pid <> pg_backend_pid() AND
    CASE WHEN d.waits_for IS NULL
      THEN l.locktype = 'relation' AND l.relation = 'reg.repo'::regclass AND l.mode IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
        AND l.database = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())
      ELSE l.virtualtransaction = ANY (d.waits_for) END;
  IF cardinality(v_waits) > 0 OR d.waits_for IS NULL THEN
    UPDATE reg.repo_deletion x SET waits_for = v_waits WHERE x.repo_id = d.repo_id;
    RETURN CASE WHEN cardinality(v_waits) > 0 THEN 'waiting' ELSE 'more' END;
  END IF;
  v_last := CASE d.stage WHEN 0 THEN reg.delete_tags(d, p_limit) WHEN 1 THEN reg.delete_manifests(d, p_limit) WHEN 2 THEN reg.delete_links(d, p_limit) END;
  UPDATE reg.repo_deletion x SET stage = x.stage + CASE WHEN v_last IS NULL THEN 1 ELSE 0 END, after = coalesce(v_last, ''),
    finished_at = CASE WHEN v_last IS NULL AND d.stage = 2 THEN clock_timestamp() END WHERE x.repo_id = d.repo_id;
  RETURN 'more';
END $$;

-- Logins of people who were erased, so that nobody gets one later and is taken for somebody else. Hashed with a secret of this registry: who has the database can
-- ask whether a login was erased, and cannot read which ones were.
CREATE TABLE access.erased_login (
  hash bytea PRIMARY KEY
);
INSERT INTO reg.secret (name, value) VALUES ('erased-login', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
CREATE FUNCTION access.erased_hash(p_login text) RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(s.value || convert_to(p_login, 'UTF8')) FROM reg.secret s WHERE s.name = 'erased-login'
$$;

-- As in 0013, but the login of somebody who was erased is taken.
CREATE OR REPLACE FUNCTION access.create_user_v1(p_id uuid, p_login text, p_hash text, p_admin boolean, p_networks text[], p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM access.lock();
  IF EXISTS (SELECT 1 FROM access.erased_login e WHERE e.hash = access.erased_hash(p_login)) THEN PERFORM access.refuse('exists', 'the login is taken'); END IF;
  INSERT INTO access.principal (principal_id, kind, login, admin, networks) VALUES (p_id, 'user', p_login, p_admin, p_networks)
    ON CONFLICT (login) WHERE state <> 'revoked' DO NOTHING;
  IF NOT FOUND THEN PERFORM access.refuse('exists', 'the login is taken'); END IF;
  IF p_hash IS NOT NULL THEN INSERT INTO access.password (principal_id, hash) VALUES (p_id, p_hash); END IF;
  INSERT INTO es.actor (ref, kind, name) VALUES (p_id::text, 'user', p_login);
  RETURN access.append('principal-' || p_id, 0, 'UserCreated', NULL,
    jsonb_build_object('principal', p_id, 'admin', p_admin, 'networks', to_jsonb(p_networks), 'password', p_hash IS NOT NULL), '{}', p_meta);
END $$;

-- Ends a user for good and forgets who it was: what is left is an id that events and the audit go on naming. The row stays, as log:verify expects it.
CREATE FUNCTION access.erase_user_v1(p_id uuid, p_expected bigint, p_meta jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.principal;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.principal p WHERE p.principal_id = p_id AND p.kind = 'user' AND p.state <> 'revoked' FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('user'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('principal-' || p_id, p_expected, v.version); END IF;
  INSERT INTO access.erased_login (hash) VALUES (access.erased_hash(v.login)) ON CONFLICT DO NOTHING;
  UPDATE access.principal p SET state = 'revoked', login = 'erased:' || p_id, version = p.version + 1 WHERE p.principal_id = p_id;
  IF v.admin THEN PERFORM access.keep_an_admin(); END IF;
  DELETE FROM es.actor a WHERE a.ref = p_id::text;
  DELETE FROM access.password w WHERE w.principal_id = p_id;
  DELETE FROM access.refresh_token r WHERE r.principal_id = p_id::text;
  PERFORM access.append('principal-' || p_id, v.version, 'UserErased', NULL, jsonb_build_object('principal', p_id), access.narrow(ARRAY[p_id]), p_meta);
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA reg, access FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA reg, access FROM PUBLIC;
