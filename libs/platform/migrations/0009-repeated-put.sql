-- As in 0006, and true as well where the repository has the blob from another object: the caller has checked that its bytes are those of the digest, and
-- an upload that was deduplicated gave its object to the reaper, so that the answer to a repeated call cannot depend on the key.
CREATE OR REPLACE FUNCTION reg.finish_upload_v1(p_repository text, p_must_exist boolean, p_key uuid, p_size bigint, p_digest text, p_started timestamptz, p_meta jsonb)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM reg.object o WHERE o.storage_key = p_key AND o.due_at > clock_timestamp() + interval '1 hour';
  IF NOT FOUND THEN RETURN reg.has_blob(p_repository, p_digest); END IF;
  IF NOT reg.link_blob(p_repository, p_must_exist, p_digest, p_size, p_key, p_started, p_meta) THEN
    RAISE EXCEPTION 'the repository % does not exist', p_repository USING ERRCODE = 'WB404';
  END IF;
  RETURN true;
END $$;
