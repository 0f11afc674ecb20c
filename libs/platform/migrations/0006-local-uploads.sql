-- Uploads that one process began and that have no row yet (ADR 0010). The reserved key of their bytes (reg.object) is what they are known by: whoever
-- takes it out of there, in one transaction with what it becomes, has the bytes; every other one finds it gone.

-- Gives such an upload the row that says what it holds. True where it has one now: what it says counts, whoever wrote it. False: it has none, and the key
-- is not reserved any more.
CREATE FUNCTION reg.adopt_upload_v1(p_upload uuid, p_repository text, p_principal text, p_started timestamptz, p_expiry interval, p_key uuid, p_bytes bigint,
  p_hash text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  INSERT INTO reg.upload_session AS u (upload_id, repository, principal, state, size, segments, segment_sizes, hash, started_at, expires_at, reap_after)
    VALUES (p_upload, p_repository, p_principal, 'O', p_bytes, ARRAY[p_key], ARRAY[p_bytes], p_hash, p_started, clock_timestamp() + p_expiry,
      reg.upload_first_look(p_started))
    ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN true; END IF;
  DELETE FROM reg.object o WHERE o.storage_key = p_key AND o.due_at > clock_timestamp() + interval '1 hour';
  IF FOUND THEN RETURN true; END IF;
  DELETE FROM reg.upload_session u WHERE u.upload_id = p_upload;
  RETURN false;
END $$;

-- PUT (end-6) and POST with the blob (end-4b) of such an upload. The object p_key holds exactly the bytes of p_digest and survives a power failure; the
-- caller has checked both. True also where it is that blob already: the answer to an earlier call was lost. False: the key is not reserved any more. An
-- hour before the reaper may look at a key its time is over, so that the two never meet. Raises WB404 where the repository has to exist and does not.
CREATE FUNCTION reg.finish_upload_v1(p_repository text, p_must_exist boolean, p_key uuid, p_size bigint, p_digest text, p_started timestamptz, p_meta jsonb)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM reg.object o WHERE o.storage_key = p_key AND o.due_at > clock_timestamp() + interval '1 hour';
  IF NOT FOUND THEN
    RETURN EXISTS (SELECT 1 FROM reg.blob b JOIN reg.blob_link l ON l.blob_id = b.blob_id AND l.repo_id = (SELECT r.repo_id FROM reg.repo r WHERE r.name = p_repository)
      WHERE b.digest = p_digest AND b.storage_key = p_key AND b.state IN ('L', 'C'));
  END IF;
  IF NOT reg.link_blob(p_repository, p_must_exist, p_digest, p_size, p_key, p_started, p_meta) THEN
    RAISE EXCEPTION 'the repository % does not exist', p_repository USING ERRCODE = 'WB404';
  END IF;
  RETURN true;
END $$;

REVOKE ALL ON FUNCTION reg.adopt_upload_v1(uuid, text, text, timestamptz, interval, uuid, bigint, text),
  reg.finish_upload_v1(text, boolean, uuid, bigint, text, timestamptz, jsonb) FROM PUBLIC;
