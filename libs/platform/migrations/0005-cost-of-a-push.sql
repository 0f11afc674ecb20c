-- What every push pays, made cheaper; what it does, and in which order it locks, stays as it was.

-- A CHECK is stored as text that the server parses again for every statement that writes the table: some 4 us each, 10 to 30 us a push. These guard
-- columns that only the functions of this schema write, and never from a parameter: `state` of an upload, a blob and a manifest, and the range that a
-- partition's bounds hold anyway. log:verify compares the state of blobs and manifests with the events. Found in the catalogue, because the server
-- named them; in the order in which pushes lock, so that a push that is under way and this file never wait for each other in a circle.
DO $$
DECLARE
  c_state CONSTANT regclass[] := ARRAY['reg.upload_session', 'reg.blob', 'reg.manifest'];
  r record;
BEGIN
  FOR r IN
    SELECT c.conrelid::regclass AS name, c.conname FROM pg_constraint c
    WHERE c.contype = 'c' AND (c.conrelid = ANY (c_state)
      OR c.conrelid IN (SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent IN ('es.event'::regclass, 'es.log'::regclass)))
    ORDER BY array_position(c_state, c.conrelid::regclass) NULLS LAST, c.conrelid::regclass::text
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', r.name, r.conname);
  END LOOP;
END $$;

-- Makes partitions so that at least one whole partition (50 million numbers) is free ahead of the last number drawn. Cheap when there
-- is nothing to do, safe to call from several sessions. Returns how many partitions it made.
-- Attaching an empty table takes SHARE UPDATE EXCLUSIVE on the parent; CREATE TABLE ... PARTITION OF would take ACCESS EXCLUSIVE and
-- stop every push. autovacuum_freeze_min_age = 0: rows never change, so the first vacuum may freeze them for good.
CREATE OR REPLACE FUNCTION es.ensure_partitions() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  c_rows CONSTANT bigint := 50000000;
  v_made int := 0;
  v_parent text;
  v_part text;
  v_last bigint;
BEGIN
  FOR v_parent, v_last IN
    SELECT 'event', coalesce(pg_sequence_last_value('es.gpos'), 0) UNION ALL SELECT 'log', last_seq FROM es.sealer WHERE id = 1
  LOOP
    FOR i IN v_last / c_rows .. v_last / c_rows + 1 LOOP
      v_part := format('%s_%s', v_parent, lpad(i::text, 4, '0'));
      CONTINUE WHEN to_regclass('es.' || v_part) IS NOT NULL;
      PERFORM pg_advisory_xact_lock(hashtextextended('es.ensure_partitions', 0));
      -- a query, not to_regclass: that one may still answer from before the lock was waited for
      CONTINUE WHEN EXISTS (SELECT 1 FROM pg_class c WHERE c.relnamespace = 'es'::regnamespace AND c.relname = v_part);
      EXECUTE format('CREATE TABLE es.%I (LIKE es.%I INCLUDING DEFAULTS) WITH (autovacuum_freeze_min_age = 0)', v_part, v_parent);
      EXECUTE format('ALTER TABLE es.%I ATTACH PARTITION es.%I FOR VALUES FROM (%s) TO (%s)',
        v_parent, v_part, i * c_rows, (i + 1) * c_rows);
      v_made := v_made + 1;
    END LOOP;
  END LOOP;
  RETURN v_made;
END $$;

-- Their callers run with a search_path of their own, and every name inside says its schema; setting it anew costs at each call.
ALTER FUNCTION es.append_one RESET search_path;
ALTER FUNCTION es.version_conflict RESET search_path;

-- From here on: a function whose result is assigned runs without a statement around it, which a PERFORM or a SELECT .. FROM would plan, open and close.

-- Points a tag at a manifest that the caller has locked. Appends TagMoved unless it points there already; answers whether it moved.
-- p_expected: NULL any; '' the tag must not exist; '*' it must; a digest: it must point there. Otherwise WB412, which undoes the whole push.
CREATE OR REPLACE FUNCTION reg.move_tag(p_repo uuid, p_tenant int, p_tag text, p_manifest bigint, p_digest text, p_expected text, p_reason text, p_meta jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_old bigint; v_old_digest text; v_old_version bigint; v_event record;
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
    INSERT INTO reg.tag (repo_id, name, manifest_id, version) VALUES (p_repo, p_tag, p_manifest, 1) ON CONFLICT DO NOTHING;
    EXIT WHEN FOUND;
  END LOOP;
  v_event := es.append_one('tag-' || p_repo || ':' || p_tag, NULL, reg.event_id(), 'TagMoved', 1::smallint, p_tenant, p_repo,
    jsonb_build_object('tag', p_tag, 'from_digest', v_old_digest, 'to_digest', p_digest, 'reason', p_reason, 'overwritten_by_policy', false), p_meta);
  -- a row that was made above stands as it should, unless the tag had a life before: the stream tells
  IF v_old IS NOT NULL OR v_event.version <> 1 THEN
    UPDATE reg.tag t SET manifest_id = p_manifest, version = v_event.version WHERE t.repo_id = p_repo AND t.name = p_tag;
  END IF;
  IF v_old IS NOT NULL THEN
    UPDATE reg.tag_history h SET to_gpos = v_event.gpos, to_at = clock_timestamp() WHERE h.repo_id = p_repo AND h.name = p_tag AND h.version = v_old_version;
  END IF;
  INSERT INTO reg.tag_history (repo_id, name, version, manifest_id, from_gpos) VALUES (p_repo, p_tag, v_event.version, p_manifest, v_event.gpos);
  RETURN true;
END $$;

-- PUT /manifests/<reference> (end-7a, end-7b). p_blobs, p_external and p_children are distinct and sorted; sizes stand beside them; p_tags are distinct
-- and sorted. p_data is the data of ManifestPushed. With p_sparse children may be absent and are then marked so in it. External layers
-- may be absent; those that the repository has are held like others, and lose their mark in it.
-- Outcomes: pushed; unchanged (nothing was appended but, where they moved, TagMoved); name_unknown; missing (items: the digests);
-- size (items: digests that are stored with another size). Raises WB412 as move_tag does, and
-- serialization_failure where something went away meanwhile: run it again.
CREATE OR REPLACE FUNCTION reg.put_manifest_v1(p_repository text, p_must_exist boolean, p_digest text, p_media_type text, p_bytes bytea, p_artifact_type text,
  p_subject text, p_descriptor text, p_blobs text[], p_blob_sizes bigint[], p_external text[], p_children text[], p_child_sizes bigint[], p_sparse boolean,
  p_tags text[], p_expected text, p_data jsonb, p_meta jsonb, OUT outcome text, OUT items text[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_repo uuid; v_tenant int; v_manifest bigint; v_new boolean := true; v_tag text; v_data jsonb := p_data;
  v_blobs bigint[] := '{}'; v_children bigint[] := '{}'; v_sizes bigint[]; v_found text[]; v_held jsonb; v_locked record; v_event record; v_moved boolean;
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
    v_locked := reg.lock_blobs(v_repo, p_blobs);
    v_blobs := v_locked.ids; v_sizes := v_locked.sizes; v_found := v_locked.digests;
    IF cardinality(v_blobs) < cardinality(p_blobs) THEN
      items := reg.without(p_blobs, v_found);
    ELSIF v_sizes <> p_blob_sizes THEN
      outcome := 'size';
      SELECT array_agg(x.digest) INTO items FROM unnest(p_blobs, v_sizes, p_blob_sizes) x(digest, stored, given) WHERE x.stored <> x.given;
      RETURN;
    END IF;
  END IF;
  IF cardinality(p_external) > 0 AND v_repo IS NOT NULL THEN
    v_locked := reg.lock_blobs(v_repo, p_external);
    v_blobs := v_blobs || v_locked.ids; v_held := jsonb_object(v_locked.digests, v_locked.digests);
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
    v_event := es.append_one('manifest-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'ManifestPushed', 1::smallint, v_tenant, v_repo, v_data, p_meta);
  END IF;
  FOREACH v_tag IN ARRAY p_tags LOOP
    v_moved := reg.move_tag(v_repo, v_tenant, v_tag, v_manifest, p_digest, p_expected, 'push', p_meta);
  END LOOP;
  outcome := CASE WHEN v_new THEN 'pushed' ELSE 'unchanged' END;
END $$;
