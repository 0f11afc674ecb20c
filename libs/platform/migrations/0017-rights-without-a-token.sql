-- Who somebody is and what was granted to them, for the guard of blobs and manifests where a request brings no token: a client certificate, or the login of an
-- htpasswd file (ADR 0033). These services read no table of who there is: each function answers about the one that the caller names.

-- Who has a login, as they are now; nothing where nobody has it. Whether they may log in is `live`, and from where `networks`.
CREATE FUNCTION access.identity_v1(p_login text)
RETURNS TABLE (id uuid, login text, kind text, admin boolean, epoch int, networks text[], live boolean, groups text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT p.principal_id, p.login, p.kind, p.admin, p.epoch, p.networks, p.state = 'active' AND (p.until IS NULL OR p.until > clock_timestamp()),
    ARRAY(SELECT m.group_id::text FROM access.member m WHERE m.principal_id = p.principal_id)
  FROM access.principal p WHERE p.login = p_login AND p.state <> 'revoked'
$$;

-- The epoch of each organisation (`*`: all of them together); 0 where nothing was ever taken from everybody there, and where there is none of that name.
CREATE FUNCTION access.organisation_epochs_v1(p_names text[]) RETURNS TABLE (name text, epoch int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT q.name, coalesce((SELECT o.epoch FROM access.organisation_epoch o WHERE o.tenant_id = CASE q.name WHEN '*' THEN 0 ELSE
      (SELECT t.tenant_id FROM reg.tenant t WHERE t.name = q.name) END), 0) FROM unnest(p_names) q(name)
$$;

-- What may decide about a principal and the groups in p_subjects ('': everybody) in the organisations, public repositories as grants of everybody, and last the
-- networks of the organisations. A robot has what its groups are granted in its own organisation only. p_repositories: of public ones only these; NULL: all.
CREATE FUNCTION access.grants_for_v1(p_principal text, p_organisations text[], p_subjects text[], p_repositories text[])
RETURNS TABLE (id uuid, organisation text, kind text, subject text, effect text, repositories text, tags text, actions text[], role text, until timestamptz, networks text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH organisation AS (SELECT t.tenant_id, t.name FROM reg.tenant t WHERE t.name = ANY (p_organisations)),
    me AS (SELECT p.tenant_id FROM access.principal p WHERE p.principal_id::text = p_principal AND p.kind = 'robot')
  SELECT g.grant_id, o.name, g.subject_kind, g.subject_id, g.effect, g.repositories, g.tags, coalesce(r.actions, g.actions), g.role, g.until, g.networks
  FROM access.grant g LEFT JOIN organisation o ON o.tenant_id = g.tenant_id LEFT JOIN access.role r ON r.role_id::text = g.role
  WHERE g.subject_id = ANY (p_subjects) AND (g.tenant_id IS NULL OR o.tenant_id IS NOT NULL)
    AND NOT (g.effect = 'allow' AND g.subject_kind = 'group' AND EXISTS (SELECT 1 FROM me WHERE me.tenant_id IS DISTINCT FROM g.tenant_id))
  UNION ALL SELECT p.repo_id, o.name, 'everybody', '', 'allow', r.name, NULL, ARRAY['pull', 'list'], NULL, NULL, NULL
  FROM organisation o JOIN access.public_repository p ON p.tenant_id = o.tenant_id JOIN reg.repo r ON r.repo_id = p.repo_id WHERE p_repositories IS NULL OR r.name = ANY (p_repositories)
  UNION ALL SELECT NULL, o.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, s.networks
  FROM organisation o JOIN access.organisation s ON s.tenant_id = o.tenant_id WHERE s.networks IS NOT NULL
  ORDER BY 1
$$;

-- When the first grant was given. The users of an htpasswd file may do everything until then, and never again: to take the last grant back must not open everything.
CREATE TABLE access.first_grant (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO access.first_grant (at) SELECT min(g.created_at) FROM access.grant g HAVING count(*) > 0;
CREATE FUNCTION access.note_first_grant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO access.first_grant DEFAULT VALUES ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER first_grant AFTER INSERT ON access.grant FOR EACH STATEMENT EXECUTE FUNCTION access.note_first_grant();

CREATE FUNCTION access.has_grants_v1() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT EXISTS (SELECT 1 FROM access.first_grant) $$;

REVOKE ALL ON access.first_grant FROM PUBLIC;
REVOKE ALL ON FUNCTION access.identity_v1, access.organisation_epochs_v1, access.grants_for_v1, access.note_first_grant, access.has_grants_v1 FROM PUBLIC;
