-- Manifests and tags: the push decides in these functions (event-log.md sections 1 and 5.2).

-- Locks the live blobs of the digests (distinct, sorted) that are linked in the repository, and their links, in the order of the digests. Answers what it
-- found, in that order. A blob may leave its state while we wait for its lock: where some are missing everything is looked at once more.
CREATE FUNCTION reg.lock_blobs(p_repo uuid, p_digests text[], OUT ids bigint[], OUT sizes bigint[], OUT digests text[]) LANGUAGE plpgsql AS $$
BEGIN
  FOR attempt IN 1..2 LOOP
    SELECT coalesce(array_agg(x.blob_id), '{}'), coalesce(array_agg(x.size), '{}'), coalesce(array_agg(x.digest), '{}') INTO ids, sizes, digests FROM (
      SELECT b.blob_id, b.size, b.digest FROM reg.blob b JOIN reg.blob_link l ON l.blob_id = b.blob_id AND l.repo_id = p_repo
        WHERE b.digest = ANY (p_digests) AND b.state = 'L' ORDER BY b.digest FOR KEY SHARE OF b, l) x;
    IF cardinality(ids) = cardinality(p_digests) THEN RETURN; END IF;
  END LOOP;
END $$;

-- Which of p_all are not in p_some. By an object's sorted keys: arrays know no search, and the sessions that push have no hash joins.
CREATE FUNCTION reg.without(p_all text[], p_some text[]) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  v_some jsonb := jsonb_object(p_some, p_some);
BEGIN
  RETURN (SELECT array_agg(a ORDER BY a COLLATE "C") FROM unnest(p_all) a WHERE NOT v_some ? a);
END $$;

-- Points a tag at a manifest that the caller has locked. Appends TagMoved unless it points there already; answers whether it moved.
-- p_expected: NULL any; '' the tag must not exist; '*' it must; a digest: it must point there. Otherwise WB412, which undoes the whole push.
CREATE FUNCTION reg.move_tag(p_repo uuid, p_tenant int, p_tag text, p_manifest bigint, p_digest text, p_expected text, p_reason text, p_meta jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_old bigint; v_old_digest text; v_old_version bigint; v_gpos bigint; v_version bigint;
BEGIN
  LOOP
    SELECT t.manifest_id, t.version INTO v_old, v_old_version FROM reg.tag t WHERE t.repo_id = p_repo AND t.name = p_tag FOR UPDATE;
    IF v_old = p_manifest AND p_expected IS NULL THEN RETURN false; END IF;
    IF v_old IS NOT NULL THEN
      SELECT m.digest INTO v_old_digest FROM reg.manifest m WHERE m.manifest_id = v_old;
    END IF;
    IF (CASE p_expected WHEN '*' THEN v_old IS NULL ELSE coalesce(v_old_digest, '') <> p_expected END) THEN
      RAISE EXCEPTION 'tag % does not stand where the request expects it', p_tag USING ERRCODE = 'WB412', DETAIL = coalesce(v_old_digest, '');
    END IF;
    IF v_old = p_manifest THEN RETURN false; END IF;
    EXIT WHEN v_old IS NOT NULL;
    -- the row before the stream, as whoever moves or deletes the tag locks them; another push may have made it since we looked
    INSERT INTO reg.tag (repo_id, name, manifest_id, version) VALUES (p_repo, p_tag, p_manifest, 0) ON CONFLICT DO NOTHING;
    EXIT WHEN FOUND;
  END LOOP;
  SELECT a.gpos, a.version INTO v_gpos, v_version FROM es.append_one('tag-' || p_repo || ':' || p_tag, NULL, reg.event_id(), 'TagMoved', 1::smallint, p_tenant, p_repo,
    jsonb_build_object('tag', p_tag, 'from_digest', v_old_digest, 'to_digest', p_digest, 'reason', p_reason, 'overwritten_by_policy', false), p_meta) a;
  UPDATE reg.tag t SET manifest_id = p_manifest, version = v_version WHERE t.repo_id = p_repo AND t.name = p_tag;
  IF v_old IS NOT NULL THEN
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
-- size (items: digests that are stored with another size). Raises WB412 as move_tag does, and
-- serialization_failure where something went away meanwhile: run it again.
CREATE FUNCTION reg.put_manifest_v1(p_repository text, p_must_exist boolean, p_digest text, p_media_type text, p_bytes bytea, p_artifact_type text,
  p_subject text, p_descriptor text, p_blobs text[], p_blob_sizes bigint[], p_external text[], p_children text[], p_child_sizes bigint[], p_sparse boolean,
  p_tags text[], p_expected text, p_data jsonb, p_meta jsonb, OUT outcome text, OUT items text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_repo uuid; v_tenant int; v_manifest bigint; v_new boolean := true; v_tag text; v_data jsonb := p_data;
  v_blobs bigint[] := '{}'; v_children bigint[] := '{}'; v_sizes bigint[]; v_found text[]; v_held jsonb;
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
    SELECT l.ids, l.sizes, l.digests INTO v_blobs, v_sizes, v_found FROM reg.lock_blobs(v_repo, p_blobs) l;
    IF cardinality(v_blobs) < cardinality(p_blobs) THEN
      items := reg.without(p_blobs, v_found);
    ELSIF v_sizes <> p_blob_sizes THEN
      outcome := 'size';
      SELECT array_agg(x.digest) INTO items FROM unnest(p_blobs, v_sizes, p_blob_sizes) x(digest, stored, given) WHERE x.stored <> x.given;
      RETURN;
    END IF;
  END IF;
  IF cardinality(p_external) > 0 AND v_repo IS NOT NULL THEN
    SELECT v_blobs || l.ids, jsonb_object(l.digests, l.digests) INTO v_blobs, v_held FROM reg.lock_blobs(v_repo, p_external) l;
    SELECT jsonb_set(v_data, '{layers}', jsonb_agg(CASE WHEN v_held ? (e ->> 'digest') THEN e - 'external' ELSE e END ORDER BY i)) INTO v_data
      FROM jsonb_array_elements(v_data -> 'layers') WITH ORDINALITY x(e, i);
  END IF;
  IF cardinality(p_children) > 0 THEN
    SELECT coalesce(array_agg(x.manifest_id), '{}'), coalesce(array_agg(x.digest), '{}'), coalesce(array_agg(x.size), '{}') INTO v_children, v_found, v_sizes FROM (
      SELECT m.manifest_id, m.digest, m.size FROM reg.manifest m WHERE m.repo_id = v_repo AND m.digest = ANY (p_children) AND m.state = 'live'
        ORDER BY m.digest FOR KEY SHARE) x;
    IF cardinality(v_children) < cardinality(p_children) THEN
      IF NOT p_sparse THEN items := items || reg.without(p_children, v_found); END IF;
      v_held := jsonb_object(v_found, v_found);
      SELECT jsonb_set(v_data, '{children}', jsonb_agg(CASE WHEN v_held ? (c ->> 'digest') THEN c ELSE c || '{"absent": true}' END ORDER BY i)) INTO v_data
        FROM jsonb_array_elements(v_data -> 'children') WITH ORDINALITY e(c, i);
    END IF;
    IF items IS NULL THEN
      v_held := jsonb_object(p_children, p_child_sizes::text[]);
      SELECT array_agg(x.digest) INTO items FROM unnest(v_found, v_sizes) x(digest, stored) WHERE x.stored <> (v_held ->> x.digest)::bigint;
      IF items IS NOT NULL THEN outcome := 'size'; RETURN; END IF;
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
