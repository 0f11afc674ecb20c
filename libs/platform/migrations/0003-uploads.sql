-- Uploads: one call a request, or two where bytes move between them. Outcomes are returned, never raised: nothing here has to be undone.

-- POST (end-4a, end-4c; and, with a writer, end-4b: the claim is taken at once). Commits asynchronously.
CREATE FUNCTION reg.start_upload_v1(p_upload uuid, p_repository text, p_principal text, p_algorithm text, p_must_exist boolean, p_expiry interval,
  p_writer uuid, p_key uuid, p_lease interval) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_must_exist AND NOT EXISTS (SELECT 1 FROM reg.repo WHERE name = p_repository) THEN RETURN false; END IF;
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO reg.upload_session (upload_id, repository, principal, algorithm, expires_at, writer, writing_key, lease_until)
    VALUES (p_upload, p_repository, p_principal, p_algorithm, clock_timestamp() + p_expiry, p_writer, p_key, clock_timestamp() + p_lease);
  RETURN true;
END $$;

-- Claims a session for one writer before a byte moves. Outcomes: claimed; unknown; done (digest tells); busy (another writer has it);
-- offset (p_offset is not where the session stands). What a writer that lost its lease was writing goes to the reaper, after the time
-- that a last request of it to the storage may still take.
CREATE FUNCTION reg.claim_upload_v1(p_upload uuid, p_repository text, p_principal text, p_offset bigint, p_writer uuid, p_key uuid, p_lease interval,
  OUT outcome text, OUT size bigint, OUT segments text, OUT segment_sizes text, OUT hash text, OUT algorithm text, OUT digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session;
BEGIN
  SELECT * INTO s FROM reg.upload_session u WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal FOR UPDATE;
  IF NOT FOUND OR s.expires_at < clock_timestamp() THEN outcome := 'unknown'; RETURN; END IF;
  size := s.size; hash := s.hash; algorithm := s.algorithm; digest := s.digest;
  segments := array_to_string(s.segments, ','); segment_sizes := array_to_string(s.segment_sizes, ',');
  IF s.state = 'D' THEN outcome := 'done'; RETURN; END IF;
  IF s.writer IS NOT NULL AND s.lease_until > clock_timestamp() THEN outcome := 'busy'; RETURN; END IF;
  IF p_offset <> s.size THEN outcome := 'offset'; RETURN; END IF;
  PERFORM set_config('synchronous_commit', 'off', true);
  IF s.writing_key IS NOT NULL THEN
    INSERT INTO reg.object (storage_key, due_at) VALUES (s.writing_key, clock_timestamp() + interval '15 minutes') ON CONFLICT DO NOTHING;
  END IF;
  UPDATE reg.upload_session u SET writer = p_writer, writing_key = p_key, lease_until = clock_timestamp() + p_lease WHERE u.upload_id = p_upload;
  outcome := 'claimed';
END $$;

-- Ends a claim whose object is committed: its bytes become a segment. False where the claim was lost meanwhile.
CREATE FUNCTION reg.advance_upload_v1(p_upload uuid, p_writer uuid, p_bytes bigint, p_hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE reg.upload_session u SET size = u.size + p_bytes, hash = p_hash, segments = u.segments || u.writing_key, segment_sizes = u.segment_sizes || p_bytes,
      writer = NULL, writing_key = NULL, lease_until = NULL
    WHERE u.upload_id = p_upload AND u.writer = p_writer;
  RETURN FOUND;
END $$;

-- Ends a claim without a segment: what it wrote goes to the reaper, the session stays as it was.
CREATE FUNCTION reg.release_upload_v1(p_upload uuid, p_writer uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_key uuid;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  SELECT u.writing_key INTO v_key FROM reg.upload_session u WHERE u.upload_id = p_upload AND u.writer = p_writer FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO reg.object (storage_key, due_at) SELECT v_key, clock_timestamp() WHERE v_key IS NOT NULL ON CONFLICT DO NOTHING;
  UPDATE reg.upload_session u SET writer = NULL, writing_key = NULL, lease_until = NULL WHERE u.upload_id = p_upload;
  RETURN true;
END $$;

-- Keeps a claim of a transfer that takes long. False where it was lost.
CREATE FUNCTION reg.extend_upload_v1(p_upload uuid, p_writer uuid, p_lease interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE reg.upload_session u SET lease_until = clock_timestamp() + p_lease WHERE u.upload_id = p_upload AND u.writer = p_writer;
  RETURN FOUND;
END $$;

-- GET (end-13). The bytes that a next request can build on.
CREATE FUNCTION reg.find_upload_v1(p_upload uuid, p_repository text, p_principal text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT u.size FROM reg.upload_session u WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal
    AND u.state = 'O' AND u.expires_at >= clock_timestamp()
$$;

-- PUT (end-6). The object p_key holds exactly the bytes of p_digest and survives a power failure; the caller has checked both.
-- With p_writer the caller holds the claim; without, the session must be unclaimed and consist of p_key alone.
-- Outcomes: linked; unknown; done (a repeated PUT; digest tells of what); busy (claim it and look again). Raises WB404 where the repository
-- has to exist and does not.
CREATE FUNCTION reg.complete_upload_v1(p_upload uuid, p_repository text, p_principal text, p_must_exist boolean, p_writer uuid, p_key uuid, p_size bigint,
  p_digest text, p_tombstone interval, p_meta jsonb, OUT outcome text, OUT digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session; v_started timestamptz;
BEGIN
  IF p_writer IS NULL THEN
    UPDATE reg.upload_session u SET state = 'D', digest = p_digest, segments = '{}', segment_sizes = '{}', expires_at = clock_timestamp() + p_tombstone
      WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal AND u.state = 'O' AND u.expires_at >= clock_timestamp()
        AND u.writer IS NULL AND u.segments = ARRAY[p_key] RETURNING u.started_at INTO v_started;
    IF FOUND THEN
      IF reg.link_blob(p_repository, p_must_exist, p_digest, p_size, p_key, v_started, p_meta) THEN outcome := 'linked'; RETURN; END IF;
      RAISE EXCEPTION 'the repository % does not exist', p_repository USING ERRCODE = 'WB404';   -- undoes the update
    END IF;
  END IF;
  SELECT * INTO s FROM reg.upload_session u WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal FOR UPDATE;
  IF NOT FOUND OR s.expires_at < clock_timestamp() THEN outcome := 'unknown'; RETURN; END IF;
  IF s.state = 'D' THEN outcome := 'done'; digest := s.digest; RETURN; END IF;
  IF p_writer IS NULL OR s.writer IS DISTINCT FROM p_writer THEN outcome := 'busy'; RETURN; END IF;
  IF NOT reg.link_blob(p_repository, p_must_exist, p_digest, p_size, p_key, s.started_at, p_meta) THEN
    RAISE EXCEPTION 'the repository % does not exist', p_repository USING ERRCODE = 'WB404';
  END IF;
  INSERT INTO reg.object (storage_key, due_at)
    SELECT k, clock_timestamp() FROM unnest(s.segments || s.writing_key) k WHERE k <> p_key AND k IS NOT NULL ON CONFLICT DO NOTHING;
  UPDATE reg.upload_session u SET state = 'D', digest = p_digest, segments = '{}', segment_sizes = '{}', writer = NULL, writing_key = NULL,
      lease_until = NULL, expires_at = clock_timestamp() + p_tombstone
    WHERE u.upload_id = p_upload;
  outcome := 'linked';
END $$;

-- DELETE (end-14), and a PUT whose bytes do not have the digest. False where there is no such open session.
-- A cancelled session is gone; a writer that is still at work loses its claim, and its object is deleted when it must have ended.
CREATE FUNCTION reg.cancel_upload_v1(p_upload uuid, p_repository text, p_principal text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  DELETE FROM reg.upload_session u WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal
      AND u.state = 'O' AND u.expires_at >= clock_timestamp() RETURNING * INTO s;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO reg.object (storage_key, due_at) SELECT k, clock_timestamp() FROM unnest(s.segments) k ON CONFLICT DO NOTHING;
  INSERT INTO reg.object (storage_key, due_at)
    SELECT s.writing_key, clock_timestamp() + CASE WHEN s.lease_until > clock_timestamp() THEN interval '15 minutes' ELSE interval '0' END
    WHERE s.writing_key IS NOT NULL ON CONFLICT DO NOTHING;
  RETURN true;
END $$;

-- One step of the reaper: ends up to p_limit sessions past their time and gives their objects to reg.object. Sessions that a request
-- has locked, or that a live writer has claimed, are left for a later step. Answers how many ended.
CREATE FUNCTION reg.expire_uploads_v1(p_limit int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  WITH due AS (
    SELECT u.upload_id FROM reg.upload_session u WHERE u.expires_at < clock_timestamp() AND coalesce(u.lease_until, '-infinity') < clock_timestamp()
      LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), ended AS (
    DELETE FROM reg.upload_session u USING due WHERE u.upload_id = due.upload_id RETURNING u.segments, u.writing_key
  ), dropped AS (
    INSERT INTO reg.object (storage_key, due_at)
      SELECT k, clock_timestamp() + interval '15 minutes' FROM ended, unnest(ended.segments || ended.writing_key) k WHERE k IS NOT NULL ON CONFLICT DO NOTHING
  )
  SELECT count(*) INTO v_count FROM ended;
  RETURN v_count;
END $$;

-- The reaper's next objects. One that a blob owns is never answered, whatever brought it here.
CREATE FUNCTION reg.due_objects_v1(p_limit int) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT o.storage_key FROM reg.object o WHERE o.due_at < clock_timestamp() AND NOT EXISTS (SELECT 1 FROM reg.blob b WHERE b.storage_key = o.storage_key)
    ORDER BY o.due_at LIMIT p_limit
$$;

-- The reaper has deleted the bytes of these objects.
CREATE FUNCTION reg.forget_objects_v1(p_keys uuid[]) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM reg.object o WHERE o.storage_key = ANY (p_keys)
$$;

-- POST ?mount (end-11): links a blob that p_from has, or, without p_from, one that any repository has. True where it is linked now.
CREATE FUNCTION reg.mount_blob_v1(p_repository text, p_must_exist boolean, p_digest text, p_from text, p_meta jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_blob bigint; v_size bigint; v_source uuid; v_repo uuid; v_tenant int;
BEGIN
  SELECT b.blob_id, b.size INTO v_blob, v_size FROM reg.blob b WHERE b.digest = p_digest AND b.state = 'L' FOR KEY SHARE;
  IF NOT FOUND THEN RETURN false; END IF;
  IF p_from IS NULL THEN
    SELECT l.repo_id INTO v_source FROM reg.blob_link l WHERE l.blob_id = v_blob LIMIT 1 FOR KEY SHARE;
  ELSE
    SELECT l.repo_id INTO v_source FROM reg.blob_link l
      WHERE l.blob_id = v_blob AND l.repo_id = (SELECT r.repo_id FROM reg.repo r WHERE r.name = p_from) FOR KEY SHARE;
  END IF;
  IF v_source IS NULL THEN RETURN false; END IF;
  SELECT repo_id, tenant_id INTO v_repo, v_tenant FROM reg.ensure_repo(p_repository, p_must_exist, p_meta);
  IF v_repo IS NULL THEN RETURN false; END IF;
  INSERT INTO reg.blob_link (repo_id, blob_id) VALUES (v_repo, v_blob) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    PERFORM es.append_one('bloblink-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'BlobMounted', 1::smallint, v_tenant, v_repo,
      jsonb_build_object('digest', p_digest, 'size', v_size, 'blob_id', v_blob, 'from_repo', v_source), p_meta);
  END IF;
  RETURN true;
END $$;

-- DELETE /blobs/<digest> (end-10): unlinks. Outcomes: unlinked; name_unknown; unknown; in_use (by a live manifest of the repository).
CREATE FUNCTION reg.unlink_blob_v1(p_repository text, p_digest text, p_meta jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_repo uuid; v_tenant int; v_blob bigint;
BEGIN
  SELECT repo_id, tenant_id INTO v_repo, v_tenant FROM reg.repo WHERE name = p_repository;
  IF NOT FOUND THEN RETURN 'name_unknown'; END IF;
  SELECT b.blob_id INTO v_blob FROM reg.blob b WHERE b.digest = p_digest AND b.state = 'L' FOR KEY SHARE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  PERFORM 1 FROM reg.blob_link l WHERE l.repo_id = v_repo AND l.blob_id = v_blob FOR UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  -- a new statement, after the lock: a push that held the link has committed its ref rows by now
  IF EXISTS (SELECT 1 FROM reg.ref f JOIN reg.manifest m ON m.manifest_id = f.manifest_id
             WHERE f.blob_id = v_blob AND f.repo_id = v_repo AND m.state = 'live') THEN RETURN 'in_use'; END IF;
  DELETE FROM reg.blob_link l WHERE l.repo_id = v_repo AND l.blob_id = v_blob;
  PERFORM es.append_one('bloblink-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'BlobUnlinked', 1::smallint, v_tenant, v_repo,
    jsonb_build_object('digest', p_digest, 'reason', 'api'), p_meta);
  RETURN 'unlinked';
END $$;
