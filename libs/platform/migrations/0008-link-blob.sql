-- As in 0002, but the event is appended by an assignment, which runs without a statement of its own (0005 says more): once a blob.
-- Links a blob of the digest into a repository: the live generation where there is one, else the object p_key becomes it.
-- Appends BlobUploaded unless the link was there already. An object that lost against a live generation goes to the reaper.
CREATE OR REPLACE FUNCTION reg.link_blob(p_repository text, p_must_exist boolean, p_digest text, p_size bigint, p_key uuid, p_started_at timestamptz, p_meta jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_repo uuid; v_tenant int; v_blob bigint; v_generation int; v_key uuid := p_key; v_event record;
BEGIN
  SELECT r.repo_id, r.tenant_id INTO v_repo, v_tenant FROM reg.repo r WHERE r.name = p_repository;
  IF NOT FOUND THEN
    SELECT repo_id, tenant_id INTO v_repo, v_tenant FROM reg.ensure_repo(p_repository, p_must_exist, p_meta);
    IF v_repo IS NULL THEN RETURN false; END IF;
  END IF;
  LOOP
    -- new bytes are the usual case; two uploads of one digest completing together: the second waits here, and adopts the first's generation
    INSERT INTO reg.blob AS b (digest, generation, size, storage_key)
      VALUES (p_digest, (SELECT coalesce(max(o.generation), 0) + 1 FROM reg.blob o WHERE o.digest = p_digest AND o.state = 'S'), p_size, p_key)
      ON CONFLICT (digest) WHERE state IN ('L', 'C') DO NOTHING RETURNING b.blob_id, b.generation INTO v_blob, v_generation;
    EXIT WHEN FOUND;
    SELECT b.blob_id, b.generation, b.storage_key INTO v_blob, v_generation, v_key FROM reg.blob b WHERE b.digest = p_digest AND b.state = 'L' FOR KEY SHARE;
    EXIT WHEN FOUND;
    UPDATE reg.blob b SET state = 'L', state_at = clock_timestamp() WHERE b.digest = p_digest AND b.state = 'C'
      RETURNING b.blob_id, b.generation, b.storage_key INTO v_blob, v_generation, v_key;
    EXIT WHEN FOUND;                               -- else it was swept meanwhile, and the next insert succeeds
  END LOOP;
  IF v_key <> p_key THEN
    INSERT INTO reg.object (storage_key, due_at) VALUES (p_key, clock_timestamp()) ON CONFLICT DO NOTHING;
  END IF;
  INSERT INTO reg.blob_link (repo_id, blob_id) VALUES (v_repo, v_blob) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    v_event := es.append_one('bloblink-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'BlobUploaded', 1::smallint, v_tenant, v_repo,
      jsonb_build_object('digest', p_digest, 'size', p_size, 'blob_id', v_blob, 'generation', v_generation, 'deduplicated', v_key <> p_key,
        'upload_ms', greatest(0, extract(epoch FROM clock_timestamp() - p_started_at) * 1000)::bigint), p_meta);
  END IF;
  RETURN true;
END $$;
