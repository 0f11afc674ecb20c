import type { Model } from '@waybill/events';

const UTC = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

/** A tenant's name, or one that no event can have said where the tenant is missing. */
function organisation(tenant: string): string {
  return `CASE WHEN ${tenant} IS NOT NULL THEN coalesce((SELECT t.name FROM reg.tenant t WHERE t.tenant_id = ${tenant}), 'tenant ' || ${tenant} || ', which is missing') END`;
}

/**
 * The tables of `access` in the shape of the fold, as LIVE_STATE has those of `reg`. What no event says is left out: logins of people, hashes, private keys,
 * last use, refresh tokens.
 */
export const ACCESS_STATE = {
  public_repository: `SELECT p.repo_id::text, '{}'::jsonb FROM access.public_repository p`,
  organisation: `SELECT ${organisation('o.tenant_id')}, jsonb_build_object('networks', to_jsonb(o.networks), 'version', o.version) FROM access.organisation o`,
  organisation_epoch: `SELECT CASE o.tenant_id WHEN 0 THEN '*' ELSE ${organisation('o.tenant_id')} END, jsonb_build_object('epoch', o.epoch) FROM access.organisation_epoch o`,
  principal: `SELECT p.principal_id::text, jsonb_build_object('kind', p.kind, 'login', CASE p.kind WHEN 'robot' THEN p.login END, 'organisation', ${organisation('p.tenant_id')},
      'state', p.state, 'admin', p.admin, 'networks', to_jsonb(p.networks), 'until', to_char(p.until AT TIME ZONE 'UTC', ${UTC}), 'description', p.description,
      'epoch', p.epoch, 'version', p.version)
    FROM access.principal p`,
  password: `SELECT w.principal_id::text, '{}'::jsonb FROM access.password w`,
  credential: `SELECT c.credential_id::text, jsonb_build_object('principal', c.principal_id, 'kind', c.kind, 'name', c.name,
      'expires_at', to_char(c.expires_at AT TIME ZONE 'UTC', ${UTC}), 'revoked', c.revoked_at IS NOT NULL, 'version', c.version)
      || jsonb_strip_nulls(jsonb_build_object('maker', c.maker, 'revoked_with', c.revoked_with))
    FROM access.credential c`,
  group: `SELECT g.group_id::text, jsonb_build_object('organisation', ${organisation('g.tenant_id')}, 'name', g.name, 'version', g.version) FROM access.group g`,
  member: `SELECT m.group_id || '@' || m.principal_id, '{}'::jsonb FROM access.member m`,
  grant: `SELECT g.grant_id::text, jsonb_build_object('organisation', ${organisation('g.tenant_id')}, 'subject_kind', g.subject_kind, 'subject_id', g.subject_id, 'effect', g.effect,
      'repositories', g.repositories, 'tags', g.tags, 'actions', to_jsonb(g.actions), 'role', g.role, 'until', to_char(g.until AT TIME ZONE 'UTC', ${UTC}),
      'networks', to_jsonb(g.networks), 'version', g.version)
    FROM access.grant g`,
  role: `SELECT r.role_id::text, jsonb_build_object('organisation', ${organisation('r.tenant_id')}, 'name', r.name, 'actions', to_jsonb(r.actions), 'version', r.version) FROM access.role r`,
  signing_key: `SELECT k.kid, jsonb_build_object('alg', k.alg, 'state', k.state) FROM access.signing_key k`,
} as const satisfies Partial<Record<Model, string>>;
