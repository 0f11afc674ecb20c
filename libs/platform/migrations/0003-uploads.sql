-- Uploads: one call a request, or two where bytes take their time. Outcomes are returned, never raised, but for WB404 (the repository has to exist
-- and does not), which undoes the call.
--
-- p_started is the moment that the signed id of a session carries. A session without a row is open and empty while its id is young; from then on
-- the row counts, and outlives that time.

-- How long an id may wait for its first bytes.
CREATE FUNCTION reg.upload_begins_within() RETURNS interval LANGUAGE sql IMMUTABLE RETURN interval '15 minutes';

-- When the reaper first looks at a session that began at p_started: most are tombstones by then, and expired.
CREATE FUNCTION reg.upload_first_look(p_started timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE RETURN p_started + interval '26 minutes';

-- Whether the repository has the blob now: a session that is done answers for it only so long.
CREATE FUNCTION reg.has_blob(p_repository text, p_digest text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT 1 FROM reg.blob b JOIN reg.blob_link l ON l.blob_id = b.blob_id AND l.repo_id = (SELECT r.repo_id FROM reg.repo r WHERE r.name = p_repository)
    WHERE b.digest = p_digest AND b.state IN ('L', 'C'))
$$;

-- The session, locked; made where it is open and has no row yet. All NULL where there is none for the caller.
CREATE FUNCTION reg.lock_upload(p_upload uuid, p_repository text, p_principal text, p_started timestamptz, p_expiry interval) RETURNS reg.upload_session LANGUAGE plpgsql AS $$
DECLARE
  s reg.upload_session;
BEGIN
  LOOP
    SELECT * INTO s FROM reg.upload_session u WHERE u.upload_id = p_upload FOR UPDATE;
    IF FOUND THEN
      IF s.repository = p_repository AND s.principal = p_principal AND s.state <> 'X' AND s.expires_at >= clock_timestamp() THEN RETURN s; END IF;
      RETURN NULL;
    END IF;
    IF p_started < clock_timestamp() - reg.upload_begins_within() THEN RETURN NULL; END IF;
    INSERT INTO reg.upload_session (upload_id, repository, principal, state, started_at, expires_at, reap_after)
      VALUES (p_upload, p_repository, p_principal, 'O', p_started, clock_timestamp() + p_expiry, reg.upload_first_look(p_started))
      ON CONFLICT DO NOTHING RETURNING * INTO s;
    IF FOUND THEN RETURN s; END IF;
  END LOOP;
END $$;

-- Claims a session for one writer before a byte moves. Outcomes: claimed; unknown; done (digest tells); busy (another writer has it);
-- offset (p_offset is not where the session stands). What a writer that lost its lease was writing goes to the reaper, after the time
-- that a last request of it to the storage may still take.
CREATE FUNCTION reg.claim_upload_v1(p_upload uuid, p_repository text, p_principal text, p_started timestamptz, p_expiry interval, p_offset bigint,
  p_writer uuid, p_key uuid, p_lease interval, OUT outcome text, OUT size bigint, OUT segments text, OUT segment_sizes text, OUT hash text, OUT digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session := reg.lock_upload(p_upload, p_repository, p_principal, p_started, p_expiry);
BEGIN
  IF s.upload_id IS NULL THEN outcome := 'unknown'; RETURN; END IF;
  size := s.size; hash := s.hash; digest := s.digest;
  segments := array_to_string(s.segments, ','); segment_sizes := array_to_string(s.segment_sizes, ',');
  IF s.state = 'D' THEN outcome := CASE WHEN reg.has_blob(p_repository, s.digest) THEN 'done' ELSE 'unknown' END; RETURN; END IF;
  IF s.lease_until > clock_timestamp() THEN outcome := 'busy'; RETURN; END IF;
  IF p_offset <> s.size THEN outcome := 'offset'; RETURN; END IF;
  PERFORM set_config('synchronous_commit', 'off', true);
  IF s.writing_key IS NOT NULL THEN
    INSERT INTO reg.object (storage_key, due_at) VALUES (s.writing_key, clock_timestamp() + interval '15 minutes') ON CONFLICT DO NOTHING;
  END IF;
  UPDATE reg.upload_session u SET writer = p_writer, writing_key = p_key, lease_until = clock_timestamp() + p_lease,
      expires_at = clock_timestamp() + p_expiry WHERE u.upload_id = p_upload;
  outcome := 'claimed';
END $$;

-- Keeps a claim of a transfer that takes long. False where it was lost.
CREATE FUNCTION reg.extend_upload_v1(p_upload uuid, p_writer uuid, p_lease interval, p_expiry interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  UPDATE reg.upload_session u SET lease_until = clock_timestamp() + p_lease, expires_at = clock_timestamp() + p_expiry
    WHERE u.upload_id = p_upload AND u.writer = p_writer;
  RETURN FOUND;
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

-- Keys for small bodies, intended ahead of their use: a whole body that is there already is written under one of these and appended by one call.
CREATE FUNCTION reg.reserve_objects_v1(p_keys uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO reg.object (storage_key, due_at) SELECT k, clock_timestamp() + interval '1 day' FROM unnest(p_keys) k;
END $$;

-- PATCH (end-5) of a body that stands already, committed, under a reserved key: claim and end of the claim in one. Outcomes: appended;
-- unknown; done; busy; offset. In all but the first the key stays reserved, for the reaper.
CREATE FUNCTION reg.append_upload_v1(p_upload uuid, p_repository text, p_principal text, p_started timestamptz, p_expiry interval, p_offset bigint,
  p_key uuid, p_bytes bigint, p_hash text, OUT outcome text, OUT size bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  IF coalesce(p_offset, 0) = 0 AND p_started >= clock_timestamp() - reg.upload_begins_within() THEN
    INSERT INTO reg.upload_session AS u (upload_id, repository, principal, state, size, segments, segment_sizes, hash, started_at, expires_at, reap_after)
      VALUES (p_upload, p_repository, p_principal, 'O', p_bytes, ARRAY[p_key], ARRAY[p_bytes], p_hash, p_started, clock_timestamp() + p_expiry,
        reg.upload_first_look(p_started))
      ON CONFLICT DO NOTHING;
    IF FOUND THEN
      DELETE FROM reg.object o WHERE o.storage_key = p_key;
      outcome := 'appended'; size := p_bytes; RETURN;
    END IF;
  END IF;
  s := reg.lock_upload(p_upload, p_repository, p_principal, p_started, p_expiry);
  IF s.upload_id IS NULL THEN outcome := 'unknown'; RETURN; END IF;
  size := s.size;
  IF s.state = 'D' THEN outcome := 'done'; RETURN; END IF;
  IF s.lease_until > clock_timestamp() THEN outcome := 'busy'; RETURN; END IF;
  IF p_offset <> s.size THEN outcome := 'offset'; RETURN; END IF;
  IF s.writing_key IS NOT NULL THEN
    INSERT INTO reg.object (storage_key, due_at) VALUES (s.writing_key, clock_timestamp() + interval '15 minutes') ON CONFLICT DO NOTHING;
  END IF;
  UPDATE reg.upload_session u SET size = u.size + p_bytes, hash = CASE WHEN u.size = 0 THEN p_hash END, segments = u.segments || p_key,
      segment_sizes = u.segment_sizes || p_bytes, writer = NULL, writing_key = NULL, lease_until = NULL, expires_at = clock_timestamp() + p_expiry
    WHERE u.upload_id = p_upload;
  DELETE FROM reg.object o WHERE o.storage_key = p_key;
  outcome := 'appended'; size := s.size + p_bytes;
END $$;

-- GET (end-13). The bytes that a next request can build on; NULL where there is no such open session.
CREATE FUNCTION reg.find_upload_v1(p_upload uuid, p_repository text, p_principal text, p_started timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session;
BEGIN
  SELECT * INTO s FROM reg.upload_session u WHERE u.upload_id = p_upload;
  IF NOT FOUND THEN RETURN CASE WHEN p_started >= clock_timestamp() - reg.upload_begins_within() THEN 0 END; END IF;
  IF s.repository = p_repository AND s.principal = p_principal AND s.state = 'O' AND s.expires_at >= clock_timestamp() THEN RETURN s.size; END IF;
  RETURN NULL;
END $$;

-- PUT (end-6) and POST with the blob (end-4b). The object p_key holds exactly the bytes of p_digest and survives a power failure; the caller has
-- checked both. With p_writer the caller holds the claim. Without, the object is one of two: with p_whole the whole upload, under a reserved key, of
-- a session that has no row; else the one segment of a session that has no other.
-- Outcomes: linked; unknown; done (a repeated PUT; digest tells of what); busy (claim it and look again).
CREATE FUNCTION reg.complete_upload_v1(p_upload uuid, p_repository text, p_principal text, p_started timestamptz, p_must_exist boolean, p_writer uuid,
  p_whole boolean, p_key uuid, p_size bigint, p_digest text, p_meta jsonb, OUT outcome text, OUT digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session;
  -- as a tombstone it has to outlive the id, which would else begin anew
  v_expires timestamptz := greatest(clock_timestamp() + interval '10 minutes', p_started + reg.upload_begins_within() + interval '1 minute');
BEGIN
  IF p_writer IS NULL AND p_whole AND p_started >= clock_timestamp() - reg.upload_begins_within() THEN
    INSERT INTO reg.upload_session (upload_id, repository, principal, state, digest, started_at, expires_at, reap_after)
      VALUES (p_upload, p_repository, p_principal, 'D', p_digest, p_started, v_expires, reg.upload_first_look(p_started)) ON CONFLICT DO NOTHING RETURNING * INTO s;
    IF FOUND THEN DELETE FROM reg.object o WHERE o.storage_key = p_key; END IF;
  ELSIF p_writer IS NULL AND NOT p_whole THEN
    UPDATE reg.upload_session u SET state = 'D', digest = p_digest, segments = '{}', segment_sizes = '{}', expires_at = v_expires
      WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal AND u.state = 'O' AND u.expires_at >= clock_timestamp()
        AND u.writer IS NULL AND u.segments = ARRAY[p_key] RETURNING * INTO s;
  END IF;
  IF s.upload_id IS NULL THEN
    SELECT * INTO s FROM reg.upload_session u WHERE u.upload_id = p_upload AND u.repository = p_repository AND u.principal = p_principal FOR UPDATE;
    IF NOT FOUND OR s.state = 'X' OR s.expires_at < clock_timestamp() THEN outcome := 'unknown'; RETURN; END IF;
    IF s.state = 'D' THEN outcome := CASE WHEN reg.has_blob(p_repository, s.digest) THEN 'done' ELSE 'unknown' END; digest := s.digest; RETURN; END IF;
    IF p_writer IS NULL OR s.writer IS DISTINCT FROM p_writer THEN outcome := 'busy'; RETURN; END IF;
    INSERT INTO reg.object (storage_key, due_at)
      SELECT k, clock_timestamp() FROM unnest(s.segments || s.writing_key) k WHERE k <> p_key AND k IS NOT NULL ON CONFLICT DO NOTHING;
    UPDATE reg.upload_session u SET state = 'D', digest = p_digest, segments = '{}', segment_sizes = '{}', writer = NULL, writing_key = NULL,
        lease_until = NULL, expires_at = v_expires
      WHERE u.upload_id = p_upload;
  END IF;
  IF NOT reg.link_blob(p_repository, p_must_exist, p_digest, p_size, p_key, p_started, p_meta) THEN
    RAISE EXCEPTION 'the repository % does not exist', p_repository USING ERRCODE = 'WB404';
  END IF;
  outcome := 'linked';
END $$;

-- DELETE (end-14), and a PUT whose bytes do not have the digest. False where there is no such open session.
-- A writer that is still at work loses its claim, and its object is deleted when it must have ended.
CREATE FUNCTION reg.cancel_upload_v1(p_upload uuid, p_repository text, p_principal text, p_started timestamptz, p_expiry interval) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  s reg.upload_session := reg.lock_upload(p_upload, p_repository, p_principal, p_started, p_expiry);
BEGIN
  IF s.state IS DISTINCT FROM 'O' THEN RETURN false; END IF;
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO reg.object (storage_key, due_at) SELECT k, clock_timestamp() FROM unnest(s.segments) k ON CONFLICT DO NOTHING;
  INSERT INTO reg.object (storage_key, due_at)
    SELECT s.writing_key, clock_timestamp() + CASE WHEN s.lease_until > clock_timestamp() THEN interval '15 minutes' ELSE interval '0' END
    WHERE s.writing_key IS NOT NULL ON CONFLICT DO NOTHING;
  UPDATE reg.upload_session u SET state = 'X', segments = '{}', segment_sizes = '{}', size = 0, writer = NULL, writing_key = NULL, lease_until = NULL,
      expires_at = greatest(clock_timestamp(), p_started + reg.upload_begins_within() + interval '1 minute')
    WHERE u.upload_id = p_upload;
  RETURN true;
END $$;

-- One step of the reaper over the p_limit sessions that it looks at next: those past their time end, and their objects go to reg.object; the others
-- are looked at again when their time may be over. Sessions that a request has locked are left for a later step. Answers how many it looked at.
CREATE FUNCTION reg.expire_uploads_v1(p_limit int) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_count int;
BEGIN
  WITH due AS (
    SELECT u.upload_id, u.expires_at < clock_timestamp() AND coalesce(u.lease_until, '-infinity') < clock_timestamp() AS over,
        greatest(u.expires_at, u.lease_until, clock_timestamp() + interval '1 minute') AS later
      FROM reg.upload_session u WHERE u.reap_after < clock_timestamp() ORDER BY u.reap_after LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), ended AS (
    DELETE FROM reg.upload_session u USING due WHERE u.upload_id = due.upload_id AND due.over RETURNING u.segments, u.writing_key
  ), kept AS (
    UPDATE reg.upload_session u SET reap_after = due.later FROM due WHERE u.upload_id = due.upload_id AND NOT due.over
  ), dropped AS (
    INSERT INTO reg.object (storage_key, due_at)
      SELECT k, clock_timestamp() + interval '15 minutes' FROM ended, unnest(ended.segments || ended.writing_key) k WHERE k IS NOT NULL ON CONFLICT DO NOTHING
  )
  SELECT count(*) INTO v_count FROM due;
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
