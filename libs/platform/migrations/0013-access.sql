-- Who there is, and who may do what (ADR 0022). Everything here is changed by the functions below alone: each appends its event and writes its rows in one
-- transaction, and log:verify holds the rows against the events. What events never hold: logins and names of people (es.actor, access.principal), hashes
-- of secrets, private keys; and what has no history worth keeping: refresh tokens, last use, idempotency keys.
--
--   reg.tenant = organisation 1--n principal (robots; users belong to none) 1--1 password, 1--n credential, 1--n refresh_token
--   group 1--n member n--1 principal        grant -> principal | group | everybody, with actions or a role        narrowing -> es.event
--
-- Epochs. Whatever takes something away from somebody raises numbers that tokens carry, in the same transaction, and its event says so in `narrows`:
-- the epoch of each principal concerned, or that of an organisation where everybody is concerned. A token with a lower number is refused.
CREATE SCHEMA access;

-- What was decided about an organisation. One that only a push made has no row: no networks, version 0. Its name is that of reg.tenant and never changes.
CREATE TABLE access.organisation (
  tenant_id  int PRIMARY KEY,
  networks   text[],               -- addresses that it may be used from, in CIDR notation; NULL: any
  version    bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Raised when everybody loses something in it. Tenant 0: in all of them.
CREATE TABLE access.organisation_epoch (
  tenant_id int PRIMARY KEY,
  epoch     int NOT NULL
);

CREATE TABLE access.principal (
  principal_id uuid PRIMARY KEY,
  kind         text NOT NULL,                    -- user, robot
  login        text COLLATE "C" NOT NULL,        -- of a robot: <organisation>+<name>
  tenant_id    int,                              -- of a robot
  state        text NOT NULL DEFAULT 'active',   -- active, disabled; revoked: for good, and its login is free again (robots)
  admin        boolean NOT NULL DEFAULT false,   -- users only
  networks     text[],
  until        timestamptz,
  description  text,
  epoch        int NOT NULL DEFAULT 0,
  version      bigint NOT NULL DEFAULT 1,        -- of the stream principal-<id>
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX principal_login ON access.principal (login) WHERE state <> 'revoked';
CREATE INDEX principal_tenant ON access.principal (tenant_id, login);

CREATE TABLE access.password (
  principal_id uuid PRIMARY KEY,
  hash         text NOT NULL,                    -- argon2id, PHC string
  changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Personal tokens and secrets of robots: 32 random bytes or more, so that a plain hash of them can be looked up.
CREATE TABLE access.credential (
  credential_id uuid PRIMARY KEY,
  principal_id  uuid NOT NULL,
  kind          text NOT NULL,                   -- personal, robot
  name          text NOT NULL,
  hash          bytea NOT NULL UNIQUE,           -- SHA-256 of the secret
  expires_at    timestamptz,
  revoked_at    timestamptz,
  last_used_at  timestamptz,                     -- written in batches, some seconds late
  version       bigint NOT NULL DEFAULT 1,
  issued_at     timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 85);
CREATE INDEX credential_principal ON access.credential (principal_id);

-- Of an organisation, or (tenant_id NULL) of the whole registry.
CREATE TABLE access.group (
  group_id   uuid PRIMARY KEY,
  tenant_id  int,
  name       text COLLATE "C" NOT NULL,
  version    bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE NULLS NOT DISTINCT (tenant_id, name)
);

CREATE TABLE access.member (
  group_id     uuid NOT NULL,
  principal_id uuid NOT NULL,
  PRIMARY KEY (group_id, principal_id)
);
CREATE INDEX member_principal ON access.member (principal_id);

CREATE TABLE access.role (
  role_id    uuid PRIMARY KEY,
  tenant_id  int,
  name       text COLLATE "C" NOT NULL,
  actions    text[] NOT NULL,
  version    bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE NULLS NOT DISTINCT (tenant_id, name)
);

-- Whom and where it is about never changes: that would be another grant.
CREATE TABLE access.grant (
  grant_id     uuid PRIMARY KEY,
  tenant_id    int,                              -- NULL: in every organisation
  subject_kind text NOT NULL,                    -- principal, group, everybody
  subject_id   text COLLATE "C" NOT NULL,        -- '' of everybody; a principal may be of another provider (htpasswd:<login>)
  effect       text NOT NULL,                    -- allow, deny
  repositories text COLLATE "C" NOT NULL,
  tags         text COLLATE "C",
  actions      text[],                           -- either these or a role
  role         text COLLATE "C",                 -- the name of a built-in role, or the id of one in access.role
  until        timestamptz,
  networks     text[],
  version      bigint NOT NULL DEFAULT 1,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX grant_subject ON access.grant (subject_id, tenant_id);
CREATE INDEX grant_tenant ON access.grant (tenant_id, grant_id);
CREATE INDEX grant_role ON access.grant (role) WHERE role IS NOT NULL;

-- Repositories that everybody may pull. What has no row is private.
CREATE TABLE access.public_repository (
  repo_id   uuid PRIMARY KEY,
  tenant_id int NOT NULL
);
CREATE INDEX public_repository_tenant ON access.public_repository (tenant_id);

CREATE TABLE access.signing_key (
  kid             text COLLATE "C" PRIMARY KEY,
  alg             text NOT NULL,
  public_key      jsonb NOT NULL,                -- JWK
  private_key     bytea NOT NULL,                -- encrypted by the token service
  state           text NOT NULL,                 -- next (published, signs nothing yet), active (one), retired
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  activated_at    timestamptz,
  published_until timestamptz                    -- of a retired one
);
CREATE UNIQUE INDEX signing_key_active ON access.signing_key (state) WHERE state = 'active';

CREATE TABLE access.refresh_token (
  hash          bytea PRIMARY KEY,               -- SHA-256 of the token
  principal_id  text COLLATE "C" NOT NULL,       -- Identity.id
  credential_id uuid,                            -- what it was given for; NULL: the password
  service       text NOT NULL,
  issued_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at    timestamptz NOT NULL
);
CREATE INDEX refresh_token_principal ON access.refresh_token (principal_id, issued_at);
CREATE INDEX refresh_token_expires ON access.refresh_token (expires_at);

-- Which events take something away: an index into the log for those who follow that and nothing else. Rows are kept for a day.
CREATE TABLE access.narrowing (
  gpos bigint PRIMARY KEY,
  at   timestamptz NOT NULL
);
CREATE INDEX narrowing_at ON access.narrowing (at);

-- What was answered under an idempotency key, for a day.
CREATE TABLE access.command (
  actor       text COLLATE "C",
  key         text COLLATE "C",
  fingerprint text NOT NULL,
  outcome     jsonb,
  at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (actor, key)
);
CREATE INDEX command_at ON access.command (at);

-- An identity of another provider has a ref made up here, so that no event holds its name.
CREATE UNIQUE INDEX actor_external ON es.actor (kind, name) WHERE kind NOT IN ('user', 'robot');

-- Helpers, for the functions below.

-- One change at a time. They are rare, and rules over several rows (the last admin, two secrets, who is in a group) hold without an order of locks.
CREATE FUNCTION access.lock() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN RAISE EXCEPTION 'changes of access need READ COMMITTED: they look again after the lock'; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('access', 0));
END $$;

-- WB404: no such thing. WB422: a rule forbids it, DETAIL = its name.
CREATE FUNCTION access.unknown(p_what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'there is no %', p_what USING ERRCODE = 'WB404'; END $$;
CREATE FUNCTION access.refuse(p_rule text, p_message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', p_message USING ERRCODE = 'WB422', DETAIL = p_rule;
END $$;

CREATE FUNCTION access.utc(p_at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
CREATE FUNCTION access.texts(p_array jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN jsonb_typeof(p_array) = 'array' THEN ARRAY(SELECT jsonb_array_elements_text(p_array)) END
$$;
CREATE FUNCTION access.uuid(p_text text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_text ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN p_text::uuid END
$$;

-- NULL stands for every organisation.
CREATE FUNCTION access.tenant(p_name text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE v_id int;
BEGIN
  IF p_name IS NULL THEN RETURN NULL; END IF;
  SELECT t.tenant_id INTO v_id FROM reg.tenant t WHERE t.name = p_name;
  IF NOT FOUND THEN PERFORM access.unknown(format('organisation %s', p_name)); END IF;
  RETURN v_id;
END $$;
CREATE FUNCTION access.tenant_name(p_tenant int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT t.name FROM reg.tenant t WHERE t.tenant_id = p_tenant $$;

-- Raises the epochs and answers `narrows` of the event, '{}' where there is nobody. Tenant 0: everybody, everywhere.
CREATE FUNCTION access.narrow(p_principals uuid[], p_tenants int[] DEFAULT '{}') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE v_principals jsonb; v_organisations jsonb;
BEGIN
  WITH raised AS (
    UPDATE access.principal p SET epoch = p.epoch + 1 WHERE p.principal_id = ANY (p_principals) RETURNING p.principal_id, p.epoch
  ) SELECT jsonb_object_agg(r.principal_id, r.epoch) INTO v_principals FROM raised r;
  WITH raised AS (
    INSERT INTO access.organisation_epoch AS o (tenant_id, epoch) SELECT DISTINCT t, 1 FROM unnest(p_tenants) t
      ON CONFLICT (tenant_id) DO UPDATE SET epoch = o.epoch + 1 RETURNING o.tenant_id, o.epoch
  ) SELECT jsonb_object_agg(coalesce(access.tenant_name(r.tenant_id), '*'), r.epoch) INTO v_organisations FROM raised r;
  RETURN jsonb_strip_nulls(jsonb_build_object('principals', v_principals, 'organisations', v_organisations));
END $$;

-- Whom these grants speak of. Who is not of our own has no epoch here: the organisation's is raised instead.
CREATE FUNCTION access.narrow_grants(p_grants uuid[]) RETURNS jsonb LANGUAGE sql AS $$
  SELECT access.narrow(
    ARRAY(SELECT p.principal_id FROM access.grant g JOIN access.principal p ON p.principal_id = access.uuid(g.subject_id)
        WHERE g.grant_id = ANY (p_grants) AND g.subject_kind = 'principal'
      UNION SELECT m.principal_id FROM access.grant g JOIN access.member m ON m.group_id = access.uuid(g.subject_id)
        WHERE g.grant_id = ANY (p_grants) AND g.subject_kind = 'group'),
    ARRAY(SELECT coalesce(g.tenant_id, 0) FROM access.grant g
      WHERE g.grant_id = ANY (p_grants) AND (g.subject_kind = 'everybody' OR (g.subject_kind = 'principal' AND access.uuid(g.subject_id) IS NULL))))
$$;

-- Appends; an event that takes something away is entered for those who follow that.
CREATE FUNCTION access.append(p_stream text, p_expected bigint, p_type text, p_tenant int, p_data jsonb, p_narrows jsonb, p_meta jsonb, p_repo uuid DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE v_event record;
BEGIN
  v_event := es.append_one(p_stream, p_expected, reg.event_id(), p_type, 1::smallint, coalesce(p_tenant, 0), p_repo,
    CASE WHEN p_narrows = '{}' THEN p_data ELSE p_data || jsonb_build_object('narrows', p_narrows) END, p_meta);
  IF p_narrows <> '{}' THEN
    INSERT INTO access.narrowing (gpos, at) VALUES (v_event.gpos, clock_timestamp());
    DELETE FROM access.narrowing n WHERE n.at < clock_timestamp() - interval '1 day';
  END IF;
  RETURN v_event.version;
END $$;

-- What of p_after differs from p_before, as both were and are: the `before` and `after` of an event. NULL: nothing does.
CREATE FUNCTION access.difference(p_before jsonb, p_after jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('before', jsonb_object_agg(a.key, p_before -> a.key), 'after', jsonb_object_agg(a.key, a.value))
  FROM jsonb_each(p_after) a WHERE a.value IS DISTINCT FROM p_before -> a.key HAVING count(*) > 0
$$;

CREATE FUNCTION access.principal_json(p access.principal) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('networks', to_jsonb(p.networks), 'until', access.utc(p.until))
    || CASE p.kind WHEN 'user' THEN jsonb_build_object('admin', p.admin) ELSE jsonb_build_object('description', p.description) END
$$;
CREATE FUNCTION access.grant_json(g access.grant) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('effect', g.effect, 'repositories', g.repositories, 'tags', g.tags, 'actions', to_jsonb(g.actions), 'role', g.role,
    'until', access.utc(g.until), 'networks', to_jsonb(g.networks))
$$;

-- Every registry keeps one whom nobody can lock out. After the change, under the lock.
CREATE FUNCTION access.keep_an_admin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM access.principal p WHERE p.admin AND p.state = 'active') THEN
    PERFORM access.refuse('last_admin', 'this is the last admin that can log in; make another one first');
  END IF;
END $$;

-- Commands. Each answers the version that its stream has now. p_expected: NULL any, else the version that the stream must have (WB409). A change that
-- changes nothing appends nothing. p_meta: who did it, as with every event.

CREATE FUNCTION access.create_organisation_v1(p_name text, p_networks text[], p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_tenant int;
BEGIN
  PERFORM access.lock();
  INSERT INTO reg.tenant AS t (name) VALUES (p_name) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING t.tenant_id INTO v_tenant;
  INSERT INTO access.organisation (tenant_id, networks, version) VALUES (v_tenant, p_networks, 1) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN PERFORM access.refuse('exists', format('the organisation %s exists', p_name)); END IF;
  RETURN access.append('organisation-' || p_name, 0, 'OrganisationCreated', v_tenant, jsonb_build_object('organisation', p_name, 'networks', to_jsonb(p_networks)), '{}', p_meta);
END $$;

CREATE FUNCTION access.change_organisation_v1(p_name text, p_networks text[], p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_tenant int := access.tenant(p_name); v_before text[]; v_version bigint;
BEGIN
  PERFORM access.lock();
  SELECT o.networks, o.version INTO v_before, v_version FROM access.organisation o WHERE o.tenant_id = v_tenant;
  v_version := coalesce(v_version, 0);
  IF p_expected <> v_version THEN PERFORM es.version_conflict('organisation-' || p_name, p_expected, v_version); END IF;
  IF v_before IS NOT DISTINCT FROM p_networks THEN RETURN v_version; END IF;
  v_version := access.append('organisation-' || p_name, v_version, 'OrganisationChanged', v_tenant,
    jsonb_build_object('organisation', p_name, 'before', jsonb_build_object('networks', to_jsonb(v_before)), 'after', jsonb_build_object('networks', to_jsonb(p_networks))),
    CASE WHEN p_networks IS NULL THEN '{}' ELSE access.narrow('{}', ARRAY[v_tenant]) END, p_meta);
  INSERT INTO access.organisation AS o (tenant_id, networks, version) VALUES (v_tenant, p_networks, v_version)
    ON CONFLICT (tenant_id) DO UPDATE SET networks = excluded.networks, version = excluded.version;
  RETURN v_version;
END $$;

-- p_hash: PHC string of the password, NULL for none.
CREATE FUNCTION access.create_user_v1(p_id uuid, p_login text, p_hash text, p_admin boolean, p_networks text[], p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM access.lock();
  INSERT INTO access.principal (principal_id, kind, login, admin, networks) VALUES (p_id, 'user', p_login, p_admin, p_networks)
    ON CONFLICT (login) WHERE state <> 'revoked' DO NOTHING;
  IF NOT FOUND THEN PERFORM access.refuse('exists', 'the login is taken'); END IF;
  IF p_hash IS NOT NULL THEN INSERT INTO access.password (principal_id, hash) VALUES (p_id, p_hash); END IF;
  INSERT INTO es.actor (ref, kind, name) VALUES (p_id::text, 'user', p_login);
  RETURN access.append('principal-' || p_id, 0, 'UserCreated', NULL,
    jsonb_build_object('principal', p_id, 'admin', p_admin, 'networks', to_jsonb(p_networks), 'password', p_hash IS NOT NULL), '{}', p_meta);
END $$;

CREATE FUNCTION access.create_robot_v1(p_id uuid, p_organisation text, p_name text, p_description text, p_networks text[], p_until timestamptz, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_tenant int := access.tenant(p_organisation); v_login text := p_organisation || '+' || p_name;
BEGIN
  PERFORM access.lock();
  INSERT INTO access.principal (principal_id, kind, login, tenant_id, description, networks, until) VALUES (p_id, 'robot', v_login, v_tenant, p_description, p_networks, p_until)
    ON CONFLICT (login) WHERE state <> 'revoked' DO NOTHING;
  IF NOT FOUND THEN PERFORM access.refuse('exists', format('the robot %s exists', v_login)); END IF;
  INSERT INTO es.actor (ref, kind, name) VALUES (p_id::text, 'robot', v_login);
  RETURN access.append('principal-' || p_id, 0, 'RobotCreated', v_tenant, jsonb_build_object('principal', p_id, 'organisation', p_organisation, 'name', p_name,
    'description', p_description, 'networks', to_jsonb(p_networks), 'until', access.utc(p_until)), '{}', p_meta);
END $$;

-- p_changes: any of networks, until and, of a user, admin; of a robot, description.
CREATE FUNCTION access.change_principal_v1(p_id uuid, p_kind text, p_changes jsonb, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_before access.principal; v_after access.principal; v_difference jsonb; v_narrows jsonb := '{}';
BEGIN
  PERFORM access.lock();
  SELECT * INTO v_before FROM access.principal p WHERE p.principal_id = p_id AND p.kind = p_kind AND p.state <> 'revoked' FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown(p_kind); END IF;
  IF p_expected <> v_before.version THEN PERFORM es.version_conflict('principal-' || p_id, p_expected, v_before.version); END IF;
  v_after := v_before;
  IF p_changes ? 'networks' THEN v_after.networks := access.texts(p_changes -> 'networks'); END IF;
  IF p_changes ? 'admin' AND p_kind = 'user' THEN v_after.admin := p_changes ->> 'admin'; END IF;
  IF p_changes ? 'description' AND p_kind = 'robot' THEN v_after.description := p_changes ->> 'description'; END IF;
  IF p_changes ? 'until' THEN v_after.until := p_changes ->> 'until'; END IF;
  v_difference := access.difference(access.principal_json(v_before), access.principal_json(v_after));
  IF v_difference IS NULL THEN RETURN v_before.version; END IF;
  UPDATE access.principal p SET networks = v_after.networks, admin = v_after.admin, description = v_after.description, until = v_after.until, version = p.version + 1
    WHERE p.principal_id = p_id;
  IF v_before.admin AND NOT v_after.admin THEN PERFORM access.keep_an_admin(); END IF;
  IF (v_before.admin AND NOT v_after.admin) OR v_after.networks IS DISTINCT FROM v_before.networks OR v_after.until IS DISTINCT FROM v_before.until THEN
    v_narrows := access.narrow(ARRAY[p_id]);
  END IF;
  RETURN access.append('principal-' || p_id, v_before.version, initcap(p_kind) || 'Changed', v_before.tenant_id, jsonb_build_object('principal', p_id) || v_difference, v_narrows, p_meta);
END $$;

-- Ends what the old password had opened: access tokens by the epoch, refresh tokens at once. Personal tokens stay.
CREATE FUNCTION access.set_password_v1(p_id uuid, p_hash text, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_version bigint; v_narrows jsonb;
BEGIN
  PERFORM access.lock();
  UPDATE access.principal p SET version = p.version + 1 WHERE p.principal_id = p_id AND p.kind = 'user' RETURNING p.version INTO v_version;
  IF NOT FOUND THEN PERFORM access.unknown('user'); END IF;
  v_narrows := access.narrow(ARRAY[p_id]);
  INSERT INTO access.password AS w (principal_id, hash) VALUES (p_id, p_hash) ON CONFLICT (principal_id) DO UPDATE SET hash = excluded.hash, changed_at = clock_timestamp();
  DELETE FROM access.refresh_token r WHERE r.principal_id = p_id::text AND r.credential_id IS NULL;
  IF p_expected <> v_version - 1 THEN PERFORM es.version_conflict('principal-' || p_id, p_expected, v_version - 1); END IF;
  RETURN access.append('principal-' || p_id, v_version - 1, 'UserPasswordChanged', NULL, jsonb_build_object('principal', p_id), v_narrows, p_meta);
END $$;

-- p_state: active, disabled, or, of a robot and for good, revoked.
CREATE FUNCTION access.set_state_v1(p_id uuid, p_kind text, p_state text, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.principal; v_narrows jsonb := '{}';
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.principal p WHERE p.principal_id = p_id AND p.kind = p_kind AND p.state <> 'revoked' FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown(p_kind); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('principal-' || p_id, p_expected, v.version); END IF;
  IF p_state NOT IN ('active', 'disabled') AND NOT (p_state = 'revoked' AND p_kind = 'robot') THEN PERFORM access.refuse('state', format('a %s cannot be %s', p_kind, p_state)); END IF;
  IF v.state = p_state THEN RETURN v.version; END IF;
  UPDATE access.principal p SET state = p_state, version = p.version + 1 WHERE p.principal_id = p_id;
  IF p_state <> 'active' THEN
    IF v.admin THEN PERFORM access.keep_an_admin(); END IF;
    v_narrows := access.narrow(ARRAY[p_id]);
    DELETE FROM access.refresh_token r WHERE r.principal_id = p_id::text;
  END IF;
  RETURN access.append('principal-' || p_id, v.version, initcap(p_kind) || CASE p_state WHEN 'active' THEN 'Enabled' ELSE initcap(p_state) END, v.tenant_id,
    jsonb_build_object('principal', p_id), v_narrows, p_meta);
END $$;

-- A robot has two live secrets at most, so that one can be replaced while the other is in use; a user 100 personal tokens.
CREATE FUNCTION access.issue_credential_v1(p_id uuid, p_principal uuid, p_name text, p_hash bytea, p_expires timestamptz, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.principal; v_kind text; v_live int;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.principal p WHERE p.principal_id = p_principal AND p.state <> 'revoked' FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('principal'); END IF;
  IF v.state <> 'active' THEN PERFORM access.refuse('disabled', 'a disabled principal gets no new secret; enable it first'); END IF;
  v_kind := CASE v.kind WHEN 'robot' THEN 'robot' ELSE 'personal' END;
  SELECT count(*) INTO v_live FROM access.credential c WHERE c.principal_id = p_principal AND c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp());
  IF v_live >= (CASE v_kind WHEN 'robot' THEN 2 ELSE 100 END) THEN PERFORM access.refuse('too_many', format('it has %s live secrets, the most there may be; revoke one first', v_live)); END IF;
  INSERT INTO access.credential (credential_id, principal_id, kind, name, hash, expires_at) VALUES (p_id, p_principal, v_kind, p_name, p_hash, p_expires);
  RETURN access.append('credential-' || p_id, 0, 'CredentialIssued', v.tenant_id,
    jsonb_build_object('credential', p_id, 'principal', p_principal, 'kind', v_kind, 'name', p_name, 'expires_at', access.utc(p_expires)), '{}', p_meta);
END $$;

-- p_principal: whose it has to be.
CREATE FUNCTION access.revoke_credential_v1(p_id uuid, p_principal uuid, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.credential;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.credential c WHERE c.credential_id = p_id AND c.principal_id = p_principal FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('credential'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('credential-' || p_id, p_expected, v.version); END IF;
  IF v.revoked_at IS NOT NULL THEN RETURN v.version; END IF;
  UPDATE access.credential c SET revoked_at = clock_timestamp(), version = c.version + 1 WHERE c.credential_id = p_id;
  DELETE FROM access.refresh_token r WHERE r.credential_id = p_id;
  RETURN access.append('credential-' || p_id, v.version, 'CredentialRevoked', (SELECT p.tenant_id FROM access.principal p WHERE p.principal_id = p_principal),
    jsonb_build_object('credential', p_id, 'principal', p_principal, 'kind', v.kind, 'name', v.name), jsonb_build_object('credentials', jsonb_build_array(p_id)), p_meta);
END $$;

CREATE FUNCTION access.create_group_v1(p_id uuid, p_organisation text, p_name text, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_tenant int := access.tenant(p_organisation);
BEGIN
  PERFORM access.lock();
  INSERT INTO access.group (group_id, tenant_id, name) VALUES (p_id, v_tenant, p_name) ON CONFLICT (tenant_id, name) DO NOTHING;
  IF NOT FOUND THEN PERFORM access.refuse('exists', format('the group %s exists', p_name)); END IF;
  RETURN access.append('group-' || p_id, 0, 'GroupCreated', v_tenant, jsonb_build_object('group', p_id, 'organisation', p_organisation, 'name', p_name), '{}', p_meta);
END $$;

-- The row under the lock. Raises WB404, WB409.
CREATE FUNCTION access.expect_group(p_id uuid, p_expected bigint) RETURNS access.group LANGUAGE plpgsql AS $$
DECLARE v access.group;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.group g WHERE g.group_id = p_id FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('group'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('group-' || p_id, p_expected, v.version); END IF;
  RETURN v;
END $$;

CREATE FUNCTION access.rename_group_v1(p_id uuid, p_name text, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.group := access.expect_group(p_id, p_expected);
BEGIN
  IF v.name = p_name THEN RETURN v.version; END IF;
  IF EXISTS (SELECT 1 FROM access.group g WHERE g.tenant_id IS NOT DISTINCT FROM v.tenant_id AND g.name = p_name) THEN
    PERFORM access.refuse('exists', format('the group %s exists', p_name));
  END IF;
  UPDATE access.group g SET name = p_name, version = g.version + 1 WHERE g.group_id = p_id;
  RETURN access.append('group-' || p_id, v.version, 'GroupChanged', v.tenant_id,
    jsonb_build_object('group', p_id, 'before', jsonb_build_object('name', v.name), 'after', jsonb_build_object('name', p_name)), '{}', p_meta);
END $$;

-- A robot is in groups of its own organisation only. Joining takes something away where the group is denied something.
CREATE FUNCTION access.add_member_v1(p_id uuid, p_principal uuid, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.group := access.expect_group(p_id, p_expected); v_principal access.principal; v_narrows jsonb := '{}';
BEGIN
  SELECT * INTO v_principal FROM access.principal p WHERE p.principal_id = p_principal AND p.state <> 'revoked';
  IF NOT FOUND THEN PERFORM access.unknown('principal'); END IF;
  IF v_principal.kind = 'robot' AND v_principal.tenant_id IS DISTINCT FROM v.tenant_id THEN
    PERFORM access.refuse('foreign_robot', 'a robot may be in groups of its own organisation only');
  END IF;
  IF (SELECT count(*) FROM access.member m WHERE m.group_id = p_id) >= 10000 THEN PERFORM access.refuse('too_many', 'a group has at most 10000 members'); END IF;
  INSERT INTO access.member (group_id, principal_id) VALUES (p_id, p_principal) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN v.version; END IF;
  UPDATE access.group g SET version = g.version + 1 WHERE g.group_id = p_id;
  IF EXISTS (SELECT 1 FROM access.grant g WHERE g.subject_id = p_id::text AND g.effect = 'deny') THEN v_narrows := access.narrow(ARRAY[p_principal]); END IF;
  RETURN access.append('group-' || p_id, v.version, 'GroupMemberAdded', v.tenant_id, jsonb_build_object('group', p_id, 'principal', p_principal), v_narrows, p_meta);
END $$;

CREATE FUNCTION access.remove_member_v1(p_id uuid, p_principal uuid, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.group := access.expect_group(p_id, p_expected);
BEGIN
  DELETE FROM access.member m WHERE m.group_id = p_id AND m.principal_id = p_principal;
  IF NOT FOUND THEN RETURN v.version; END IF;
  UPDATE access.group g SET version = g.version + 1 WHERE g.group_id = p_id;
  RETURN access.append('group-' || p_id, v.version, 'GroupMemberRemoved', v.tenant_id, jsonb_build_object('group', p_id, 'principal', p_principal), access.narrow(ARRAY[p_principal]), p_meta);
END $$;

-- With its grants, each of which is an event of its own.
CREATE FUNCTION access.delete_group_v1(p_id uuid, p_expected bigint, p_meta jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.group := access.expect_group(p_id, p_expected); v_members uuid[]; g access.grant;
BEGIN
  FOR g IN DELETE FROM access.grant x WHERE x.subject_kind = 'group' AND x.subject_id = p_id::text RETURNING x.* LOOP
    PERFORM access.append('grant-' || g.grant_id, g.version, 'GrantRevoked', g.tenant_id, access.grant_identity(g) || jsonb_build_object('before', access.grant_json(g)), '{}', p_meta);
  END LOOP;
  WITH gone AS (DELETE FROM access.member m WHERE m.group_id = p_id RETURNING m.principal_id) SELECT coalesce(array_agg(x.principal_id ORDER BY x.principal_id), '{}') INTO v_members FROM gone x;
  DELETE FROM access.group x WHERE x.group_id = p_id;
  PERFORM access.append('group-' || p_id, v.version, 'GroupDeleted', v.tenant_id,
    jsonb_build_object('group', p_id, 'before', jsonb_build_object('organisation', access.tenant_name(v.tenant_id), 'name', v.name, 'members', to_jsonb(v_members))), access.narrow(v_members), p_meta);
END $$;

CREATE FUNCTION access.grant_identity(g access.grant) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object('grant', g.grant_id, 'organisation', access.tenant_name(g.tenant_id), 'subject', jsonb_build_object('kind', g.subject_kind, 'id', g.subject_id))
$$;

-- The columns that may change, from JSON as grant_json gives it.
CREATE FUNCTION access.with_grant(g access.grant, p_grant jsonb) RETURNS access.grant LANGUAGE plpgsql AS $$
BEGIN
  IF p_grant ? 'effect' THEN g.effect := p_grant ->> 'effect'; END IF;
  IF p_grant ? 'repositories' THEN g.repositories := p_grant ->> 'repositories'; END IF;
  IF p_grant ? 'tags' THEN g.tags := p_grant ->> 'tags'; END IF;
  IF p_grant ? 'actions' THEN g.actions := access.texts(p_grant -> 'actions'); END IF;
  IF p_grant ? 'role' THEN g.role := p_grant ->> 'role'; END IF;
  IF p_grant ? 'until' THEN g.until := p_grant ->> 'until'; END IF;
  IF p_grant ? 'networks' THEN g.networks := access.texts(p_grant -> 'networks'); END IF;
  IF (g.actions IS NULL) = (g.role IS NULL) THEN PERFORM access.refuse('actions', 'a grant has either actions or a role'); END IF;
  IF access.uuid(g.role) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM access.role r WHERE r.role_id = access.uuid(g.role) AND (r.tenant_id IS NULL OR r.tenant_id = g.tenant_id)) THEN
    PERFORM access.unknown('role of that id in the organisation');
  END IF;
  RETURN g;
END $$;

-- p_grant: organisation (null: all), subject {kind, id}, effect, repositories, tags, actions or role, until, networks.
CREATE FUNCTION access.give_grant_v1(p_id uuid, p_grant jsonb, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE g access.grant; v_subject uuid; v_robot_of int;
BEGIN
  PERFORM access.lock();
  g.grant_id := p_id; g.tenant_id := access.tenant(p_grant ->> 'organisation'); g.version := 1; g.created_at := clock_timestamp();
  g.subject_kind := p_grant #>> '{subject,kind}'; g.subject_id := coalesce(p_grant #>> '{subject,id}', '');
  g := access.with_grant(g, p_grant);
  v_subject := access.uuid(g.subject_id);
  IF g.subject_kind = 'group' THEN
    IF NOT EXISTS (SELECT 1 FROM access.group x WHERE x.group_id = v_subject) THEN PERFORM access.unknown('group'); END IF;
  ELSIF g.subject_kind = 'principal' AND g.subject_id NOT LIKE 'htpasswd:%' THEN
    SELECT p.tenant_id INTO v_robot_of FROM access.principal p WHERE p.principal_id = v_subject AND p.state <> 'revoked';
    IF NOT FOUND THEN PERFORM access.unknown('principal'); END IF;
    IF v_robot_of IS NOT NULL AND v_robot_of IS DISTINCT FROM g.tenant_id THEN PERFORM access.refuse('foreign_robot', 'a robot may be granted something in its own organisation only'); END IF;
  END IF;
  INSERT INTO access.grant SELECT g.*;
  RETURN access.append('grant-' || p_id, 0, 'GrantGiven', g.tenant_id, access.grant_identity(g) || access.grant_json(g),
    CASE g.effect WHEN 'deny' THEN access.narrow_grants(ARRAY[p_id]) ELSE '{}' END, p_meta);
END $$;

-- Whether a change of globs, times or actions narrows is not worked out: every change counts as one that does.
CREATE FUNCTION access.change_grant_v1(p_id uuid, p_changes jsonb, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_before access.grant; v_after access.grant; v_difference jsonb;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v_before FROM access.grant g WHERE g.grant_id = p_id FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('grant'); END IF;
  IF p_expected <> v_before.version THEN PERFORM es.version_conflict('grant-' || p_id, p_expected, v_before.version); END IF;
  v_after := access.with_grant(v_before, p_changes);
  v_difference := access.difference(access.grant_json(v_before), access.grant_json(v_after));
  IF v_difference IS NULL THEN RETURN v_before.version; END IF;
  UPDATE access.grant g SET effect = v_after.effect, repositories = v_after.repositories, tags = v_after.tags, actions = v_after.actions, role = v_after.role,
    until = v_after.until, networks = v_after.networks, version = g.version + 1 WHERE g.grant_id = p_id;
  RETURN access.append('grant-' || p_id, v_before.version, 'GrantChanged', v_before.tenant_id, access.grant_identity(v_before) || v_difference, access.narrow_grants(ARRAY[p_id]), p_meta);
END $$;

CREATE FUNCTION access.revoke_grant_v1(p_id uuid, p_expected bigint, p_meta jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE g access.grant; v_narrows jsonb := '{}';
BEGIN
  PERFORM access.lock();
  SELECT * INTO g FROM access.grant x WHERE x.grant_id = p_id FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('grant'); END IF;
  IF p_expected <> g.version THEN PERFORM es.version_conflict('grant-' || p_id, p_expected, g.version); END IF;
  IF g.effect = 'allow' THEN v_narrows := access.narrow_grants(ARRAY[p_id]); END IF;
  DELETE FROM access.grant x WHERE x.grant_id = p_id;
  PERFORM access.append('grant-' || p_id, g.version, 'GrantRevoked', g.tenant_id, access.grant_identity(g) || jsonb_build_object('before', access.grant_json(g)), v_narrows, p_meta);
END $$;

CREATE FUNCTION access.define_role_v1(p_id uuid, p_organisation text, p_name text, p_actions text[], p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_tenant int := access.tenant(p_organisation);
BEGIN
  PERFORM access.lock();
  INSERT INTO access.role (role_id, tenant_id, name, actions) VALUES (p_id, v_tenant, p_name, p_actions) ON CONFLICT (tenant_id, name) DO NOTHING;
  IF NOT FOUND THEN PERFORM access.refuse('exists', format('the role %s exists', p_name)); END IF;
  RETURN access.append('role-' || p_id, 0, 'RoleDefined', v_tenant, jsonb_build_object('role', p_id, 'organisation', p_organisation, 'name', p_name, 'actions', to_jsonb(p_actions)), '{}', p_meta);
END $$;

-- Actions that are gone narrow the grants that allow by this role, new ones those that deny by it.
CREATE FUNCTION access.change_role_v1(p_id uuid, p_actions text[], p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.role; v_narrows jsonb;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.role r WHERE r.role_id = p_id FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('role'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('role-' || p_id, p_expected, v.version); END IF;
  IF v.actions = p_actions THEN RETURN v.version; END IF;
  v_narrows := access.narrow_grants(ARRAY(SELECT g.grant_id FROM access.grant g WHERE g.role = p_id::text
    AND ((g.effect = 'allow' AND NOT v.actions <@ p_actions) OR (g.effect = 'deny' AND NOT p_actions <@ v.actions))));
  UPDATE access.role r SET actions = p_actions, version = r.version + 1 WHERE r.role_id = p_id;
  RETURN access.append('role-' || p_id, v.version, 'RoleChanged', v.tenant_id,
    jsonb_build_object('role', p_id, 'before', jsonb_build_object('actions', to_jsonb(v.actions)), 'after', jsonb_build_object('actions', to_jsonb(p_actions))), v_narrows, p_meta);
END $$;

CREATE FUNCTION access.delete_role_v1(p_id uuid, p_expected bigint, p_meta jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.role;
BEGIN
  PERFORM access.lock();
  SELECT * INTO v FROM access.role r WHERE r.role_id = p_id FOR UPDATE;
  IF NOT FOUND THEN PERFORM access.unknown('role'); END IF;
  IF p_expected <> v.version THEN PERFORM es.version_conflict('role-' || p_id, p_expected, v.version); END IF;
  IF EXISTS (SELECT 1 FROM access.grant g WHERE g.role = p_id::text) THEN PERFORM access.refuse('in_use', format('grants name the role %s; change or revoke them first', v.name)); END IF;
  DELETE FROM access.role r WHERE r.role_id = p_id;
  PERFORM access.append('role-' || p_id, v.version, 'RoleDeleted', v.tenant_id,
    jsonb_build_object('role', p_id, 'before', jsonb_build_object('organisation', access.tenant_name(v.tenant_id), 'name', v.name, 'actions', to_jsonb(v.actions))), '{}', p_meta);
END $$;

-- Makes a repository as a first push would. False: it exists.
CREATE FUNCTION access.create_repository_v1(p_name text, p_meta jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v record;
BEGIN
  IF EXISTS (SELECT 1 FROM reg.repo r WHERE r.name = p_name) THEN RETURN false; END IF;
  v := reg.ensure_repo(p_name, false, p_meta);
  RETURN true;
END $$;

-- p_expected: version of the repository's stream.
CREATE FUNCTION access.set_visibility_v1(p_repository text, p_visibility text, p_expected bigint, p_meta jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_repo uuid; v_tenant int; v_version bigint; v_before text;
BEGIN
  PERFORM access.lock();
  SELECT r.repo_id, r.tenant_id INTO v_repo, v_tenant FROM reg.repo r WHERE r.name = p_repository;
  IF NOT FOUND THEN PERFORM access.unknown(format('repository %s', p_repository)); END IF;
  SELECT s.version INTO v_version FROM es.stream s WHERE s.name = 'repo-' || v_repo FOR UPDATE;
  IF p_expected <> v_version THEN PERFORM es.version_conflict('repo-' || v_repo, p_expected, v_version); END IF;
  v_before := CASE WHEN EXISTS (SELECT 1 FROM access.public_repository p WHERE p.repo_id = v_repo) THEN 'public' ELSE 'private' END;
  IF v_before = p_visibility THEN RETURN v_version; END IF;
  IF p_visibility = 'public' THEN INSERT INTO access.public_repository (repo_id, tenant_id) VALUES (v_repo, v_tenant);
  ELSE DELETE FROM access.public_repository p WHERE p.repo_id = v_repo;
  END IF;
  RETURN access.append('repo-' || v_repo, v_version, 'RepositoryVisibilityChanged', v_tenant, jsonb_build_object('before', v_before, 'after', p_visibility),
    CASE p_visibility WHEN 'private' THEN access.narrow('{}', ARRAY[v_tenant]) ELSE '{}' END, p_meta, v_repo);
END $$;

-- The first key is active at once, later ones are `next`: verifiers learn them before anything is signed with them. One `next` at a time.
CREATE FUNCTION access.add_signing_key_v1(p_kid text, p_alg text, p_public jsonb, p_private bytea, p_meta jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_state text;
BEGIN
  PERFORM access.lock();
  v_state := CASE WHEN EXISTS (SELECT 1 FROM access.signing_key k WHERE k.state = 'active') THEN 'next' ELSE 'active' END;
  IF EXISTS (SELECT 1 FROM access.signing_key k WHERE k.state = 'next') THEN PERFORM access.refuse('exists', 'there is a next signing key already'); END IF;
  INSERT INTO access.signing_key (kid, alg, public_key, private_key, state, activated_at)
    VALUES (p_kid, p_alg, p_public, p_private, v_state, CASE v_state WHEN 'active' THEN clock_timestamp() END);
  PERFORM access.append('signingkey-' || p_kid, 0, 'SigningKeyAdded', NULL, jsonb_build_object('kid', p_kid, 'alg', p_alg, 'state', v_state), '{}', p_meta);
  RETURN v_state;
END $$;

-- The next key signs from now on; the active one is published for p_overlap, as long as a token that it signed may live. p_active: the kid that the caller
-- knows to be active: of two rotations at a time one does nothing. False: nothing was done.
CREATE FUNCTION access.rotate_signing_key_v1(p_active text, p_overlap interval, p_meta jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_next text; v_until timestamptz := clock_timestamp() + p_overlap;
BEGIN
  PERFORM access.lock();
  SELECT k.kid INTO v_next FROM access.signing_key k WHERE k.state = 'next';
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE access.signing_key k SET state = 'retired', published_until = v_until WHERE k.kid = p_active AND k.state = 'active';
  IF NOT FOUND THEN RETURN false; END IF;
  UPDATE access.signing_key k SET state = 'active', activated_at = clock_timestamp() WHERE k.kid = v_next;
  PERFORM access.append('signingkey-' || v_next, NULL, 'SigningKeyRotated', NULL, jsonb_build_object('before', p_active, 'after', v_next, 'published_until', access.utc(v_until)), '{}', p_meta);
  RETURN true;
END $$;

-- Verifiers drop the key with their next look: for one that got into other hands. An active one is rotated away first.
CREATE FUNCTION access.withdraw_signing_key_v1(p_kid text, p_meta jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM access.lock();
  UPDATE access.signing_key k SET state = 'retired', published_until = clock_timestamp() WHERE k.kid = p_kid AND k.state <> 'active';
  IF NOT FOUND THEN PERFORM access.unknown('signing key of that kid that is not active'); END IF;
  PERFORM access.append('signingkey-' || p_kid, NULL, 'SigningKeyWithdrawn', NULL, jsonb_build_object('kid', p_kid), '{}', p_meta);
END $$;

-- What verifiers need.
CREATE FUNCTION access.public_signing_keys_v1() RETURNS TABLE (kid text, alg text, public_key jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT k.kid, k.alg, k.public_key FROM access.signing_key k WHERE k.state <> 'retired' OR k.published_until > clock_timestamp() ORDER BY k.created_at
$$;

-- Refused (false) where the principal's epoch is not p_epoch any more: whatever raised it came first and cannot have deleted this row. Of a principal the
-- newest 1000 are kept.
CREATE FUNCTION access.issue_refresh_token_v1(p_hash bytea, p_principal text, p_epoch int, p_credential uuid, p_service text, p_expires timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_state text;
BEGIN
  IF access.uuid(p_principal) IS NOT NULL THEN
    PERFORM 1 FROM access.principal p WHERE p.principal_id = access.uuid(p_principal) AND p.epoch = p_epoch AND p.state = 'active' FOR SHARE;
    IF NOT FOUND THEN RETURN false; END IF;
  END IF;
  IF p_credential IS NOT NULL THEN
    PERFORM 1 FROM access.credential c WHERE c.credential_id = p_credential AND c.revoked_at IS NULL FOR SHARE;
    IF NOT FOUND THEN RETURN false; END IF;
  END IF;
  DELETE FROM access.refresh_token r WHERE r.expires_at < clock_timestamp();
  DELETE FROM access.refresh_token r WHERE r.principal_id = p_principal AND r.issued_at <=
    (SELECT x.issued_at FROM access.refresh_token x WHERE x.principal_id = p_principal ORDER BY x.issued_at DESC OFFSET 999 LIMIT 1);
  INSERT INTO access.refresh_token (hash, principal_id, credential_id, service, expires_at) VALUES (p_hash, p_principal, p_credential, p_service, p_expires);
  RETURN true;
END $$;

CREATE FUNCTION access.revoke_refresh_token_v1(p_hash bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM access.refresh_token r WHERE r.hash = p_hash;
  RETURN FOUND;
END $$;

-- When secrets were last used, in one batch. Never moves backwards.
CREATE FUNCTION access.note_use_v1(p_credentials uuid[], p_at timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE access.credential c SET last_used_at = u.at FROM unnest(p_credentials, p_at) u(id, at)
    WHERE c.credential_id = u.id AND (c.last_used_at IS NULL OR c.last_used_at < u.at);
END $$;

-- What narrowed since position p_seq, of the last p_seconds: `narrows` of the events, those without a number yet included (they come again when they have
-- one). The row without narrows is the position that all this was true at.
CREATE FUNCTION access.revocations_since_v1(p_seq bigint, p_seconds int) RETURNS TABLE (seq bigint, narrows jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT l.seq, e.data -> 'narrows' FROM access.narrowing n JOIN es.event e ON e.gpos = n.gpos LEFT JOIN es.log l ON l.gpos = n.gpos
    WHERE n.at > clock_timestamp() - make_interval(secs => p_seconds) AND (l.seq IS NULL OR l.seq > p_seq)
  UNION ALL SELECT z.last_seq, NULL FROM es.sealer z WHERE z.id = 1
$$;

-- The ref of somebody whom another provider let in (htpasswd, an external token server). Users and robots have theirs already: the id of the principal.
CREATE FUNCTION access.note_actor_v1(p_kind text, p_name text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v_ref text;
BEGIN
  p_name := left(p_name, 512);                     -- another server may call people what it likes
  IF p_kind IN ('user', 'robot') THEN PERFORM access.refuse('kind', 'users and robots have an actor already'); END IF;
  SELECT a.ref INTO v_ref FROM es.actor a WHERE a.kind = p_kind AND a.name = p_name AND a.kind NOT IN ('user', 'robot');
  IF NOT FOUND THEN
    INSERT INTO es.actor AS a (ref, kind, name) VALUES (gen_random_uuid()::text, p_kind, p_name)
      ON CONFLICT (kind, name) WHERE kind NOT IN ('user', 'robot') DO UPDATE SET name = excluded.name RETURNING a.ref INTO v_ref;
  END IF;
  RETURN v_ref;
END $$;

-- First in the transaction of a command with an idempotency key. NULL: it is new, and finish_command_v1 has to follow. Else what was answered then. The same
-- key at the same moment waits for the first one to commit. p_fingerprint: of the request; another one under the key is refused.
CREATE FUNCTION access.begin_command_v1(p_actor text, p_key text, p_fingerprint text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE v access.command;
BEGIN
  DELETE FROM access.command c WHERE c.at < clock_timestamp() - interval '1 day';
  INSERT INTO access.command (actor, key, fingerprint) VALUES (p_actor, p_key, p_fingerprint) ON CONFLICT DO NOTHING;
  IF FOUND THEN RETURN NULL; END IF;
  SELECT * INTO v FROM access.command c WHERE c.actor = p_actor AND c.key = p_key;
  IF v.fingerprint <> p_fingerprint THEN PERFORM access.refuse('key_reused', 'the idempotency key was used for another request'); END IF;
  RETURN coalesce(v.outcome, 'null');
END $$;

CREATE FUNCTION access.finish_command_v1(p_actor text, p_key text, p_outcome jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE access.command c SET outcome = p_outcome WHERE c.actor = p_actor AND c.key = p_key;
END $$;

REVOKE ALL ON SCHEMA access FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA access FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA access FROM PUBLIC;
