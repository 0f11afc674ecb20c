-- The registry's state: written in the transaction of the push that changes it (event-log.md section 3), read by the next request.
--
--   tenant 1--n repo 1--n tag ------> manifest 1--n ref ----> blob (one row a generation) ---> object in the blob storage
--                     1--n blob_link -----------------------> blob
--                     1--n manifest 1--n child -> manifest     referrer: subject digest -> manifest
--   content: the exact bytes of manifests by digest.     upload_session: an upload on its way, and the intent for its objects.
--
-- Locks of every push, in this order, each set sorted: blobs by digest, links by blob, manifests by digest, tags by name.
-- Pushes take FOR KEY SHARE on what they refer to; whoever collects takes FOR UPDATE and looks again in a new statement.
-- There are no foreign keys on purpose: the locks are what keeps references whole (event-log.md 5.2), the triggers cost a third of the rate.
CREATE SCHEMA reg;

CREATE TABLE reg.tenant (
  tenant_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE
);

CREATE TABLE reg.repo (
  repo_id uuid PRIMARY KEY,
  tenant_id int NOT NULL,
  name text COLLATE "C" NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE reg.blob (
  blob_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest text COLLATE "C" NOT NULL,
  generation int NOT NULL,
  size bigint NOT NULL,
  storage_key uuid NOT NULL UNIQUE,                -- belongs to this row for ever; a later upload of the digest has another
  state "char" NOT NULL DEFAULT 'L' CHECK (state IN ('L', 'C', 'S')),   -- live, condemned, sweeping (final)
  state_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX blob_usable ON reg.blob (digest) WHERE state IN ('L', 'C');
CREATE INDEX blob_sweeping ON reg.blob (digest) WHERE state = 'S';

CREATE TABLE reg.blob_link (
  repo_id uuid NOT NULL,
  blob_id bigint NOT NULL,
  linked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (blob_id, repo_id)                   -- blob first: mounting without `from` asks who has a blob
);

CREATE TABLE reg.content (
  digest text COLLATE "C" PRIMARY KEY,
  bytes bytea NOT NULL
);
ALTER TABLE reg.content ALTER COLUMN bytes SET STORAGE EXTERNAL;   -- compressing them costs a push more than it saves

CREATE TABLE reg.manifest (
  manifest_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  repo_id uuid NOT NULL,
  digest text COLLATE "C" NOT NULL,
  media_type text NOT NULL,
  size int NOT NULL,
  artifact_type text,
  subject text COLLATE "C",
  state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'deleted')),   -- a deleted one keeps its ref and child rows for an undelete
  pushed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  deleted_at timestamptz,
  purge_after timestamptz,
  UNIQUE (repo_id, digest)
);
CREATE INDEX manifest_purgeable ON reg.manifest (purge_after) WHERE state = 'deleted';

CREATE TABLE reg.ref (
  manifest_id bigint NOT NULL,
  blob_id bigint NOT NULL,
  repo_id uuid NOT NULL,
  PRIMARY KEY (manifest_id, blob_id)
);
CREATE INDEX ref_blob ON reg.ref (blob_id, repo_id);

CREATE TABLE reg.child (
  parent_id bigint NOT NULL,
  child_id bigint NOT NULL,
  PRIMARY KEY (parent_id, child_id)
);
CREATE INDEX child_child ON reg.child (child_id);

CREATE TABLE reg.referrer (                        -- live manifests only
  repo_id uuid NOT NULL,
  subject text COLLATE "C" NOT NULL,               -- a weak reference: the subject need not exist
  digest text COLLATE "C" NOT NULL,
  artifact_type text,
  descriptor text NOT NULL,                        -- the JSON of its entry in the referrers list
  PRIMARY KEY (repo_id, subject, digest)
);

CREATE TABLE reg.tag (
  repo_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  manifest_id bigint NOT NULL,
  version bigint NOT NULL,                         -- of the tag's stream
  PRIMARY KEY (repo_id, name)
) WITH (fillfactor = 80);
CREATE INDEX tag_manifest ON reg.tag (manifest_id);

CREATE TABLE reg.tag_history (
  repo_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  manifest_id bigint NOT NULL,
  from_gpos bigint NOT NULL,
  to_gpos bigint,
  to_at timestamptz,
  PRIMARY KEY (repo_id, name, version)
);
CREATE INDEX tag_history_manifest ON reg.tag_history (manifest_id, to_at);

-- An upload on its way, from its first bytes on: a session without bytes is no more than its signed id (ADR 0004). Rows commit asynchronously
-- (toolchain.md section 10): a crash of the database may forget an upload that no one acknowledged as a blob.
CREATE TABLE reg.upload_session (
  upload_id uuid PRIMARY KEY,
  repository text COLLATE "C" NOT NULL,
  principal text NOT NULL,
  state "char" NOT NULL CHECK (state IN ('O', 'D', 'X')),   -- open; done or cancelled: tombstones, kept until the id itself is too old to begin with
  size bigint NOT NULL DEFAULT 0,                  -- bytes that later requests can build on
  segments uuid[] NOT NULL DEFAULT '{}',           -- one object a finished PATCH, in order
  segment_sizes bigint[] NOT NULL DEFAULT '{}',
  hash text COLLATE "C",                           -- digest of bytes 0..size where it is known
  writer uuid,                                     -- the claim: who may write, until lease_until
  writing_key uuid,
  lease_until timestamptz,
  digest text COLLATE "C",                         -- of the blob, once done
  started_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,                 -- moves with every request that writes
  reap_after timestamptz NOT NULL                  -- when the reaper looks at the row; indexed, so no request moves it
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX upload_session_reap ON reg.upload_session (reap_after);

-- Objects that nothing refers to: the reaper deletes the bytes of those that are due, then the row. An object's key stands here, or as a session's
-- writing_key, before its first byte is written; it leaves for a session's segments or for reg.blob, in the same transaction.
CREATE TABLE reg.object (
  storage_key uuid PRIMARY KEY,
  due_at timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX object_due ON reg.object (due_at);

-- What the replicas of one registry share and nobody else knows.
CREATE TABLE reg.secret (
  name text PRIMARY KEY,
  value bytea NOT NULL
);
INSERT INTO reg.secret (name, value) VALUES ('upload-id', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- RFC 9562 version 7: the server's own from Postgres 18 on.
DO $$
BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    EXECUTE 'CREATE FUNCTION reg.event_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE RETURN pg_catalog.uuidv7()';
  ELSE
    CREATE FUNCTION reg.event_id() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE RETURN
      encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
        PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid;
  END IF;
END $$;

-- The repository of that name, made (with its event) where it does not exist. NULL where it must exist and does not.
CREATE FUNCTION reg.ensure_repo(p_name text, p_must_exist boolean, p_meta jsonb, OUT repo_id uuid, OUT tenant_id int) LANGUAGE plpgsql AS $$
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
    PERFORM es.append_one('repo-' || repo_id, 0, reg.event_id(), 'RepositoryCreated', 1::smallint, tenant_id, repo_id,
      jsonb_build_object('name', p_name, 'tenant', v_tenant, 'visibility', 'private'), p_meta);
  ELSE
    SELECT r.repo_id, r.tenant_id INTO repo_id, tenant_id FROM reg.repo r WHERE r.name = p_name;
  END IF;
END $$;

-- Links a blob of the digest into a repository: the live generation where there is one, else the object p_key becomes it.
-- Appends BlobUploaded unless the link was there already. An object that lost against a live generation goes to the reaper.
CREATE FUNCTION reg.link_blob(p_repository text, p_must_exist boolean, p_digest text, p_size bigint, p_key uuid, p_started_at timestamptz, p_meta jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_repo uuid; v_tenant int; v_blob bigint; v_generation int; v_key uuid := p_key;
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
    PERFORM es.append_one('bloblink-' || v_repo || '@' || p_digest, NULL, reg.event_id(), 'BlobUploaded', 1::smallint, v_tenant, v_repo,
      jsonb_build_object('digest', p_digest, 'size', p_size, 'blob_id', v_blob, 'generation', v_generation, 'deduplicated', v_key <> p_key,
        'upload_ms', greatest(0, extract(epoch FROM clock_timestamp() - p_started_at) * 1000)::bigint), p_meta);
  END IF;
  RETURN true;
END $$;
