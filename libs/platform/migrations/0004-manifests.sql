-- Manifests and tags: the push decides in these functions (event-log.md sections 1 and 5.2).

-- Locks the live blobs of the digests (distinct, sorted) that are linked in the repository, and their links, in the order of the digests. Answers ids and
-- sizes in that order; NULL where a digest has none. A blob may leave its state while we wait for its lock: then everything is looked at
-- again, 3 times at most.
CREATE FUNCTION reg.lock_blobs(p_repo uuid, p_digests text[], OUT ids bigint[], OUT sizes bigint[]) LANGUAGE plpgsql AS $$
DECLARE
  v_found text[];
BEGIN
  FOR attempt IN 1..3 LOOP
    SELECT array_agg(x.blob_id), array_agg(x.size), array_agg(x.digest) INTO ids, sizes, v_found FROM (
      SELECT b.blob_id, b.size, b.digest FROM reg.blob b JOIN reg.blob_link l ON l.blob_id = b.blob_id AND l.repo_id = p_repo
        WHERE b.digest = ANY (p_digests) AND b.state = 'L' ORDER BY b.digest FOR KEY SHARE OF b, l) x;
    IF cardinality(ids) = cardinality(p_digests) THEN RETURN; END IF;
  END LOOP;
  SELECT array_agg(ids[array_position(v_found, d)] ORDER BY i), array_agg(sizes[array_position(v_found, d)] ORDER BY i) INTO ids, sizes
    FROM unnest(p_digests) WITH ORDINALITY e(d, i);
END $$;

-- Points a tag at a manifest that the caller has locked. Appends TagMoved unless it points there already; answers whether it moved.
-- p_expected: NULL any; '' the tag must not exist; '*' it must; a digest: it must point there. Otherwise WB412, which undoes the whole push.
CREATE FUNCTION reg.move_tag(p_repo uuid, p_tenant int, p_tag text, p_manifest bigint, p_digest text, p_expected text, p_reason text, p_meta jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_old bigint; v_old_digest text; v_old_version bigint; v_gpos bigint; v_version bigint;
BEGIN
  SELECT t.manifest_id, t.version INTO v_old, v_old_version FROM reg.tag t WHERE t.repo_id = p_repo AND t.name = p_tag FOR UPDATE;
  IF v_old = p_manifest AND p_expected IS NULL THEN RETURN false; END IF;
  IF v_old IS NOT NULL THEN
    SELECT m.digest INTO v_old_digest FROM reg.manifest m WHERE m.manifest_id = v_old;
  END IF;
  IF (CASE p_expected WHEN '*' THEN v_old IS NULL ELSE coalesce(v_old_digest, '') <> p_expected END) THEN
    RAISE EXCEPTION 'tag % does not stand where the request expects it', p_tag USING ERRCODE = 'WB412', DETAIL = coalesce(v_old_digest, '');
  END IF;
  IF v_old = p_manifest THEN RETURN false; END IF;
  SELECT a.gpos, a.version INTO v_gpos, v_version FROM es.append_one('tag-' || p_repo || ':' || p_tag, NULL, reg.event_id(), 'TagMoved', 1::smallint, p_tenant, p_repo,
    jsonb_build_object('tag', p_tag, 'from_digest', v_old_digest, 'to_digest', p_digest, 'reason', p_reason, 'overwritten_by_policy', false), p_meta) a;
  IF v_old IS NULL THEN
    INSERT INTO reg.tag (repo_id, name, manifest_id, version) VALUES (p_repo, p_tag, p_manifest, v_version) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      -- another push has made the tag since we looked, so the event above is not true: the whole push is run again
      RAISE EXCEPTION 'tag % was made by another push', p_tag USING ERRCODE = 'serialization_failure';
    END IF;
  ELSE
    UPDATE reg.tag t SET manifest_id = p_manifest, version = v_version WHERE t.repo_id = p_repo AND t.name = p_tag;
    UPDATE reg.tag_history h SET to_gpos = v_gpos, to_at = clock_timestamp() WHERE h.repo_id = p_repo AND h.name = p_tag AND h.version = v_old_version;
  END IF;
  INSERT INTO reg.tag_history (repo_id, name, version, manifest_id, from_gpos) VALUES (p_repo, p_tag, v_version, p_manifest, v_gpos);
  RETURN true;
END $$;

-- Removes a tag whose row the caller has locked. Appends TagDeleted.
CREATE FUNCTION reg.remove_tag(p_repo uuid, p_tenant int, p_tag text, p_version bigint, p_digest text, p_reason text, p_meta jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_gpos bigint;
BEGIN
  DELETE FROM reg.tag t WHERE t.repo_id = p_repo AND t.name = p_tag;
  SELECT a.gpos INTO v_gpos FROM es.append_one('tag-' || p_repo || ':' || p_tag, NULL, reg.event_id(), 'TagDeleted', 1::smallint, p_tenant, p_repo,
    jsonb_build_object('tag', p_tag, 'digest', p_digest, 'reason', p_reason), p_meta) a;
  UPDATE reg.tag_history h SET to_gpos = v_gpos, to_at = clock_timestamp() WHERE h.repo_id = p_repo AND h.name = p_tag AND h.version = p_version;
END $$;

-- PUT /manifests/<reference> (end-7a, end-7b). p_blobs, p_external and p_children are distinct and sorted; sizes stand beside them; p_tags are distinct
-- and sorted. p_data is the data of ManifestPushed. With p_sparse children may be absent and are then marked so in it. External layers
-- may be absent; those that the repository has are held like others, and lose their mark in it.
-- Outcomes: pushed; unchanged (nothing was appended but, where they moved, TagMoved); name_unknown; missing (items: the digests);
-- size (items: digests that are stored with another size). Raises WB412 and serialization_failure as move_tag does; after the latter it is to be run again.
CREATE FUNCTION reg.put_manifest_v1(p_repository text, p_must_exist boolean, p_digest text, p_media_type text, p_bytes bytea, p_artifact_type text,
  p_subject text, p_descriptor text, p_blobs text[], p_blob_sizes bigint[], p_external text[], p_children text[], p_child_sizes bigint[], p_sparse boolean,
  p_tags text[], p_expected text, p_data jsonb, p_meta jsonb, OUT outcome text, OUT items text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_repo uuid; v_tenant int; v_blobs bigint[] := '{}'; v_sizes bigint[]; v_manifest bigint; v_new boolean := true; v_tag text; v_external text[];
  v_children bigint[] := '{}'; v_child_digests text[] := '{}'; v_found_sizes bigint[]; v_data jsonb := p_data;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'put_manifest needs READ COMMITTED: the proof of event-log.md 5.2 looks again after each lock';
  END IF;
  SELECT r.repo_id, r.tenant_id INTO v_repo, v_tenant FROM reg.repo r WHERE r.name = p_repository;
  IF NOT FOUND AND p_must_exist THEN outcome := 'name_unknown'; RETURN; END IF;
  IF v_repo IS NULL AND (cardinality(p_blobs) > 0 OR (cardinality(p_children) > 0 AND NOT p_sparse)) THEN
    outcome := 'missing'; items := p_blobs || CASE WHEN p_sparse THEN '{}' ELSE p_children END; RETURN;
  END IF;

  IF cardinality(p_blobs) > 0 THEN
    SELECT l.ids, l.sizes INTO v_blobs, v_sizes FROM reg.lock_blobs(v_repo, p_blobs) l;
    IF array_position(v_blobs, NULL) IS NOT NULL THEN
      SELECT array_agg(p_blobs[i]) INTO items FROM generate_subscripts(p_blobs, 1) i WHERE v_blobs[i] IS NULL;
    ELSIF v_sizes <> p_blob_sizes THEN
      outcome := 'size';
      SELECT array_agg(p_blobs[i]) INTO items FROM generate_subscripts(p_blobs, 1) i WHERE v_sizes[i] <> p_blob_sizes[i];
      RETURN;
    END IF;
  END IF;
  IF cardinality(p_external) > 0 AND v_repo IS NOT NULL THEN
    SELECT v_blobs || array_agg(x.blob_id), array_agg(x.digest) INTO v_blobs, v_external FROM (
      SELECT b.blob_id, b.digest FROM reg.blob b JOIN reg.blob_link l ON l.blob_id = b.blob_id AND l.repo_id = v_repo
        WHERE b.digest = ANY (p_external) AND b.state = 'L' ORDER BY b.digest FOR KEY SHARE OF b, l) x;
    SELECT jsonb_set(v_data, '{layers}', jsonb_agg(CASE WHEN e ->> 'digest' = ANY (v_external) THEN e - 'external' ELSE e END ORDER BY i)) INTO v_data
      FROM jsonb_array_elements(v_data -> 'layers') WITH ORDINALITY x(e, i);
  END IF;
  IF cardinality(p_children) > 0 THEN
    SELECT coalesce(array_agg(x.manifest_id), '{}'), coalesce(array_agg(x.digest), '{}'), array_agg(x.size) INTO v_children, v_child_digests, v_found_sizes FROM (
      SELECT m.manifest_id, m.digest, m.size FROM reg.manifest m WHERE m.repo_id = v_repo AND m.digest = ANY (p_children) AND m.state = 'live'
        ORDER BY m.digest FOR KEY SHARE) x;
    IF cardinality(v_children) < cardinality(p_children) AND NOT p_sparse THEN
      SELECT items || array_agg(c) INTO items FROM unnest(p_children) c WHERE c <> ALL (v_child_digests);
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(v_child_digests, v_found_sizes) f(digest, size) WHERE f.size <> p_child_sizes[array_position(p_children, f.digest)]) AND items IS NULL THEN
      outcome := 'size';
      SELECT array_agg(f.digest) INTO items FROM unnest(v_child_digests, v_found_sizes) f(digest, size) WHERE f.size <> p_child_sizes[array_position(p_children, f.digest)];
      RETURN;
    END IF;
  END IF;
  IF items IS NOT NULL THEN outcome := 'missing'; RETURN; END IF;

  IF v_repo IS NULL THEN
    SELECT repo_id, tenant_id INTO v_repo, v_tenant FROM reg.ensure_repo(p_repository, false, p_meta);
  END IF;
  -- two pushes of one new manifest: the second waits here, and then finds it live
  INSERT INTO reg.manifest AS m (repo_id, digest, media_type, size, artifact_type, subject)
    VALUES (v_repo, p_digest, p_media_type, length(p_bytes), p_artifact_type, p_subject) ON CONFLICT (repo_id, digest) DO NOTHING
    RETURNING m.manifest_id INTO v_manifest;
  IF NOT FOUND THEN
    SELECT m.manifest_id INTO v_manifest FROM reg.manifest m WHERE m.repo_id = v_repo AND m.digest = p_digest AND m.state = 'live' FOR KEY SHARE;
    v_new := NOT FOUND;
    IF v_new THEN
      UPDATE reg.manifest m SET state = 'live', deleted_at = NULL, purge_after = NULL, pushed_at = clock_timestamp()
        WHERE m.repo_id = v_repo AND m.digest = p_digest AND m.state = 'deleted' RETURNING m.manifest_id INTO v_manifest;
      IF NOT FOUND THEN RAISE EXCEPTION 'manifest % was pushed, deleted or purged meanwhile', p_digest USING ERRCODE = 'serialization_failure'; END IF;
    END IF;
  END IF;

  IF v_new THEN
    INSERT INTO reg.content (digest, bytes) VALUES (p_digest, p_bytes) ON CONFLICT (digest) DO NOTHING;
    IF NOT FOUND THEN
      -- keeps whoever purges contents away; gone meanwhile means that the purge came first
      PERFORM 1 FROM reg.content c WHERE c.digest = p_digest FOR KEY SHARE;
      IF NOT FOUND THEN RAISE EXCEPTION 'the content of manifest % was purged meanwhile', p_digest USING ERRCODE = 'serialization_failure'; END IF;
    END IF;
    INSERT INTO reg.ref (manifest_id, blob_id, repo_id) SELECT v_manifest, b, v_repo FROM unnest(v_blobs) b ON CONFLICT DO NOTHING;
    IF cardinality(v_children) > 0 THEN
      INSERT INTO reg.child (parent_id, child_id) SELECT v_manifest, c FROM unnest(v_children) c ON CONFLICT DO NOTHING;
    END IF;
    IF cardinality(v_children) < cardinality(p_children) THEN
      SELECT jsonb_set(v_data, '{children}', jsonb_agg(CASE WHEN c ->> 'digest' = ANY (v_child_digests) THEN c ELSE c || '{"absent": true}' END ORDER BY i)) INTO v_data
        FROM jsonb_array_elements(v_data -> 'children') WITH ORDINALITY e(c, i);
    END IF;
    IF p_subject IS NOT NULL THEN
      INSERT INTO reg.referrer (repo_id, subject, digest, artifact_type, descriptor) VALUES (v_repo, p_subject, p_digest, p_artifact_type, p_descriptor)
        ON CONFLICT DO NOTHING;
    END IF;
    PERFORM es.append_one('manifest-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'ManifestPushed', 1::smallint, v_tenant, v_repo, v_data, p_meta);
  END IF;
  FOREACH v_tag IN ARRAY p_tags LOOP
    PERFORM reg.move_tag(v_repo, v_tenant, v_tag, v_manifest, p_digest, p_expected, 'push', p_meta);
  END LOOP;
  outcome := CASE WHEN v_new THEN 'pushed' ELSE 'unchanged' END;
END $$;

-- DELETE /manifests/<tag> (end-9). Outcomes: deleted; name_unknown; unknown.
CREATE FUNCTION reg.delete_tag_v1(p_repository text, p_tag text, p_meta jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_repo uuid; v_tenant int; v_manifest bigint; v_version bigint;
BEGIN
  SELECT repo_id, tenant_id INTO v_repo, v_tenant FROM reg.repo WHERE name = p_repository;
  IF NOT FOUND THEN RETURN 'name_unknown'; END IF;
  SELECT t.manifest_id, t.version INTO v_manifest, v_version FROM reg.tag t WHERE t.repo_id = v_repo AND t.name = p_tag FOR UPDATE;
  IF NOT FOUND THEN RETURN 'unknown'; END IF;
  PERFORM reg.remove_tag(v_repo, v_tenant, p_tag, v_version, (SELECT m.digest FROM reg.manifest m WHERE m.manifest_id = v_manifest), 'api', p_meta);
  RETURN 'deleted';
END $$;

-- DELETE /manifests/<digest> (end-9): takes its tags along; the row, its ref and child rows stay for an undelete until purge_after.
-- Outcomes: deleted; name_unknown; unknown; in_use (digest: a live index that lists it).
CREATE FUNCTION reg.delete_manifest_v1(p_repository text, p_digest text, p_window interval, p_meta jsonb, OUT outcome text, OUT digest text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_repo uuid; v_tenant int; v_manifest bigint; v_subject text; v_tag record; v_purge timestamptz := clock_timestamp() + p_window;
BEGIN
  SELECT repo_id, tenant_id INTO v_repo, v_tenant FROM reg.repo WHERE name = p_repository;
  IF NOT FOUND THEN outcome := 'name_unknown'; RETURN; END IF;
  SELECT m.manifest_id, m.subject INTO v_manifest, v_subject FROM reg.manifest m
    WHERE m.repo_id = v_repo AND m.digest = p_digest AND m.state = 'live' FOR UPDATE;
  IF NOT FOUND THEN outcome := 'unknown'; RETURN; END IF;
  -- new statements, after the lock: an index or a tag that held the manifest has committed by now
  SELECT p.digest INTO digest FROM reg.child c JOIN reg.manifest p ON p.manifest_id = c.parent_id WHERE c.child_id = v_manifest AND p.state = 'live' LIMIT 1;
  IF FOUND THEN outcome := 'in_use'; RETURN; END IF;
  FOR v_tag IN SELECT t.name, t.version FROM reg.tag t WHERE t.manifest_id = v_manifest ORDER BY t.name FOR UPDATE LOOP
    PERFORM reg.remove_tag(v_repo, v_tenant, v_tag.name, v_tag.version, p_digest, 'manifest-delete', p_meta);
  END LOOP;
  IF v_subject IS NOT NULL THEN
    DELETE FROM reg.referrer f WHERE f.repo_id = v_repo AND f.subject = v_subject AND f.digest = p_digest;
  END IF;
  UPDATE reg.manifest m SET state = 'deleted', deleted_at = clock_timestamp(), purge_after = v_purge WHERE m.manifest_id = v_manifest;
  PERFORM es.append_one('manifest-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'ManifestDeleted', 1::smallint, v_tenant, v_repo,
    jsonb_build_object('digest', p_digest, 'reason', 'api', 'purge_after', to_char(v_purge AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), p_meta);
  outcome := 'deleted';
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA reg FROM PUBLIC;
