import { grantServices, PgDatabase, roleOf, SERVICES, sqlState, type ServiceName } from '@waybill/platform';
import { serviceUrl, TEST_PASSWORDS } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

/** Who may call what. A new function has to be entered here, with nobody where only other functions call it. */
const FUNCTIONS: Readonly<Record<string, readonly ServiceName[]>> = {
  'access.add_member_v1': ['tokens'],
  'access.add_signing_key_v1': ['tokens'],
  'access.append': [],
  'access.begin_command_v1': ['tokens'],
  'access.change_grant_v1': ['tokens'],
  'access.change_organisation_v1': ['tokens'],
  'access.change_principal_v1': ['tokens'],
  'access.change_role_v1': ['tokens'],
  'access.continue_deletions_v1': ['tokens'],
  'access.create_group_v1': ['tokens'],
  'access.create_organisation_v1': ['tokens'],
  'access.create_repository_v1': ['tokens'],
  'access.create_repository_v2': ['tokens'],
  'access.create_robot_v1': ['tokens'],
  'access.create_user_v1': ['tokens'],
  'access.define_role_v1': ['tokens'],
  'access.delete_group_v1': ['tokens'],
  'access.delete_role_v1': ['tokens'],
  'access.delete_repository_v1': ['tokens'],
  'access.difference': [],
  'access.erase_user_v1': ['tokens'],
  'access.erased_hash': [],
  'access.expect_group': [],
  'access.finish_command_v1': ['tokens'],
  'access.give_grant_v1': ['tokens'],
  'access.grant_identity': [],
  'access.grant_json': [],
  'access.grants_for_v1': ['blobs', 'manifests', 'tokens'],
  'access.has_grants_v1': ['blobs', 'manifests', 'tokens'],
  'access.identity_v1': ['blobs', 'manifests', 'tokens'],
  'access.identity_v2': ['blobs', 'manifests', 'tokens'],
  'access.issue_credential_v1': ['tokens'],
  'access.issue_credential_v2': ['tokens'],
  'access.issue_refresh_token_v1': ['tokens'],
  'access.keep_an_admin': [],
  'access.lock': [],
  'access.narrow': [],
  'access.narrow_grants': [],
  'access.note_actor_v1': ['blobs', 'manifests', 'tokens'],
  'access.note_first_grant': [],
  'access.note_use_v1': ['tokens'],
  'access.organisation_epochs_v1': ['blobs', 'manifests', 'tokens'],
  'access.principal_json': [],
  'access.public_signing_keys_v1': ['blobs', 'manifests', 'tokens'],
  'access.refuse': [],
  'access.remove_member_v1': ['tokens'],
  'access.rename_group_v1': ['tokens'],
  'access.revocations_since_v1': ['blobs', 'manifests', 'tokens'],
  'access.revoke_credential_v1': ['tokens'],
  'access.revoke_grant_v1': ['tokens'],
  'access.revoke_refresh_token_v1': ['tokens'],
  'access.rotate_signing_key_v1': ['tokens'],
  'access.set_password_v1': ['tokens'],
  'access.set_state_v1': ['tokens'],
  'access.set_visibility_v1': ['tokens'],
  'access.tenant': [],
  'access.tenant_name': [],
  'access.texts': [],
  'access.unknown': [],
  'access.utc': [],
  'access.uuid': [],
  'access.with_grant': [],
  'access.withdraw_signing_key_v1': ['tokens'],
  'access.withdraw_signing_key_v2': ['tokens'],
  'audit.append_v1': ['blobs', 'manifests', 'tokens'],
  'audit.drop_days_v1': ['relay'],
  'audit.ensure_days_v1': ['relay'],
  'es.append': [],
  'es.append_one': [],
  'es.ensure_partitions': ['relay'],
  'es.is_unfit': [],
  'es.refuse_event': [],
  'es.version_conflict': [],
  'reg.adopt_upload_v1': ['blobs'],
  'reg.advance_upload_v1': ['blobs'],
  'reg.append_upload_v1': ['blobs'],
  'reg.cancel_upload_v1': ['blobs'],
  'reg.claim_upload_v1': ['blobs'],
  'reg.complete_upload_v1': ['blobs'],
  'reg.delete_links': [],
  'reg.delete_manifest_v1': ['manifests'],
  'reg.delete_manifests': [],
  'reg.delete_tag_v1': ['manifests'],
  'reg.delete_tags': [],
  'reg.due_objects_v1': ['blobs'],
  'reg.ensure_repo': [],
  'reg.event_id': [],
  'reg.expire_uploads_v1': ['blobs'],
  'reg.extend_upload_v1': ['blobs'],
  'reg.find_upload_v1': ['blobs'],
  'reg.finish_upload_v1': ['blobs'],
  'reg.forget_objects_v1': ['blobs'],
  'reg.has_blob': [],
  'reg.link_blob': [],
  'reg.lock_blobs': [],
  'reg.lock_upload': [],
  'reg.mount_blob_v1': ['blobs'],
  'reg.move_tag': [],
  'reg.put_manifest_v1': ['manifests'],
  'reg.release_upload_v1': ['blobs'],
  'reg.remove_tag': [],
  'reg.reserve_objects_v1': ['blobs'],
  'reg.unlink_blob_v1': ['blobs'],
  'reg.upload_begins_within': [],
  'reg.upload_first_look': [],
  'reg.upload_key_v1': ['blobs'],
  'reg.without': [],
};

/** Every right on a table, a column or a sequence, and on the schemas. What is not here, nobody has. */
const RELATIONS: Readonly<Record<ServiceName, readonly string[]>> = {
  blobs: ['SELECT public.waybill_migrations', 'SELECT public.waybill_rights', 'SELECT reg.blob', 'SELECT reg.blob_link', 'SELECT reg.repo', 'SELECT reg.upload_session.state', 'USAGE access', 'USAGE audit', 'USAGE reg'],
  manifests: ['SELECT public.waybill_migrations', 'SELECT public.waybill_rights', 'SELECT reg.content', 'SELECT reg.manifest', 'SELECT reg.referrer', 'SELECT reg.repo', 'SELECT reg.tag', 'USAGE access', 'USAGE audit', 'USAGE reg'],
  relay: [
    'DELETE es.pending', 'INSERT es.consumer', 'INSERT es.log', 'INSERT es.relay_partition', 'SELECT es.consumer', 'SELECT es.epoch', 'SELECT es.event', 'SELECT es.gpos', 'SELECT es.log', 'SELECT es.pending', 'SELECT es.relay_partition', 'SELECT es.sealer', 'SELECT es.stream',
    'SELECT public.waybill_migrations', 'SELECT public.waybill_rights', 'UPDATE es.consumer', 'UPDATE es.relay_partition', 'UPDATE es.sealer.last_seq', 'UPDATE es.sealer.tree', 'USAGE audit', 'USAGE es',
  ],
  tokens: [
    'SELECT access."grant"', 'SELECT access."group"', 'SELECT access.credential', 'SELECT access.member', 'SELECT access.organisation', 'SELECT access.organisation_epoch', 'SELECT access.password', 'SELECT access.principal',
    'SELECT access.public_repository', 'SELECT access.refresh_token', 'SELECT access.role', 'SELECT access.signing_key', 'SELECT audit.entry', 'SELECT es.actor', 'SELECT es.epoch', 'SELECT es.event', 'SELECT es.log', 'SELECT es.sealer', 'SELECT es.stream',
    'SELECT public.waybill_migrations', 'SELECT public.waybill_rights', 'SELECT reg.repo', 'SELECT reg.tenant', 'USAGE access', 'USAGE audit', 'USAGE es', 'USAGE reg',
  ],
};

/** Must fail for everybody who is not the owner. */
const FOR_NOBODY = [
  `UPDATE es.event SET type = 'x'`, 'DELETE FROM es.event', 'TRUNCATE es.event', 'UPDATE es.log SET gpos = 0', 'DELETE FROM es.log', `UPDATE es.sealer SET epoch = 7`, 'DELETE FROM es.sealer', 'DELETE FROM es.event_0000',
  `SELECT es.append('[]')`, 'DELETE FROM es.actor', 'SELECT value FROM reg.secret', 'SELECT * FROM access.narrowing', 'DELETE FROM access.first_grant', 'SELECT * FROM access.command', 'SELECT * FROM access.erased_login', 'SELECT * FROM reg.repo_deletion', 'SELECT access.lock()', `UPDATE access.principal SET admin = true`, `INSERT INTO access.member VALUES (gen_random_uuid(), gen_random_uuid())`, 'DELETE FROM access.grant', `UPDATE access.password SET hash = ''`, `UPDATE reg.tag SET manifest_id = 1`, 'DELETE FROM reg.tag', 'DELETE FROM reg.blob', 'DELETE FROM reg.manifest',
  'SELECT 1 FROM reg.blob FOR KEY SHARE', `UPDATE audit.entry SET actor = 'x'`, 'DELETE FROM audit.entry', `INSERT INTO audit.day VALUES (now(), 1, '', 1, '')`, `UPDATE audit.head SET n = 0`, 'DELETE FROM public.waybill_migrations', 'UPDATE public.waybill_rights SET migration = 0',
  'CREATE TABLE public.mine (id int)', 'CREATE TABLE reg.mine (id int)', 'CREATE TEMPORARY TABLE mine (id int)', 'CREATE SCHEMA mine', 'DROP TABLE reg.repo', 'ALTER TABLE reg.repo ADD COLUMN x int', 'CREATE ROLE mine',
  'ALTER FUNCTION reg.upload_key_v1() SECURITY INVOKER', 'CREATE INDEX ON es.event (at)',
];
const PUT = `SELECT reg.put_manifest_v1('a', false, 'sha256:a', 'm', '', NULL, NULL, NULL, '{}', '{}', '{}', '{}', '{}', false, '{}', NULL, '{}', '{}')`;
const ACCESS = [
  'SELECT * FROM es.actor', 'SELECT * FROM access.principal', 'SELECT * FROM access.password', 'SELECT * FROM access.credential', 'SELECT * FROM access.grant', 'SELECT private_key FROM access.signing_key', 'SELECT * FROM access.refresh_token',
  `SELECT access.create_user_v1(gen_random_uuid(), 'x', NULL, true, NULL, '{}')`, `SELECT access.give_grant_v1(gen_random_uuid(), '{}', '{}')`, `SELECT access.begin_command_v1('a', 'b', 'c')`, `SELECT access.delete_repository_v1('a', '1 day', NULL, '{}')`, 'SELECT access.continue_deletions_v1(1)', `SELECT access.issue_refresh_token_v1('', 'p', 0, NULL, 's', now())`,
];
const FORBIDDEN: Readonly<Record<ServiceName, readonly string[]>> = {
  blobs: [
    ...ACCESS, PUT, `SELECT reg.delete_tag_v1('a', 'b', '{}')`, `SELECT reg.delete_manifest_v1('a', 'b', '1 day', '{}')`, `SELECT reg.link_blob('a', false, 'd', 1, gen_random_uuid(), now(), '{}')`,
    'SELECT * FROM es.event', 'SELECT * FROM es.log', 'INSERT INTO es.pending VALUES (1)', 'SELECT es.ensure_partitions()', 'SELECT * FROM reg.content', 'SELECT * FROM reg.tag', 'SELECT upload_id FROM reg.upload_session',
    `UPDATE reg.blob SET state = 'S'`, 'INSERT INTO reg.object VALUES (gen_random_uuid(), now())', 'DELETE FROM reg.blob_link',
  ],
  manifests: [
    ...ACCESS, 'SELECT reg.upload_key_v1()', `SELECT reg.mount_blob_v1('a', false, 'd', NULL, '{}')`, `SELECT reg.unlink_blob_v1('a', 'd', '{}')`, `SELECT reg.reserve_objects_v1('{}')`, `SELECT reg.forget_objects_v1('{}')`,
    `SELECT reg.finish_upload_v1('a', false, gen_random_uuid(), 1, 'd', now(), '{}')`, 'SELECT * FROM reg.blob', 'SELECT * FROM reg.upload_session', 'SELECT * FROM es.event', 'SELECT es.ensure_partitions()',
    `INSERT INTO reg.tag VALUES (gen_random_uuid(), 't', 1, 1)`, `UPDATE reg.content SET bytes = ''`, 'DELETE FROM reg.content', 'SELECT 1 FROM reg.manifest FOR UPDATE',
  ],
  relay: [
    ...ACCESS, 'SELECT * FROM access.revocations_since_v1(0, 1)', PUT, `SELECT reg.unlink_blob_v1('a', 'd', '{}')`, 'SELECT reg.upload_key_v1()', `INSERT INTO reg.repo VALUES (gen_random_uuid(), 1, 'r')`, `INSERT INTO reg.tag VALUES (gen_random_uuid(), 't', 1, 1)`, 'SELECT * FROM reg.tag',
    `INSERT INTO es.stream (name, version) VALUES ('s', 1)`, 'INSERT INTO es.pending VALUES (1)', `UPDATE es.sealer SET log_id = gen_random_uuid()`, `SELECT nextval('es.gpos')`, 'DELETE FROM es.consumer',
    `INSERT INTO es.event (gpos, event_id, stream_id, version, type, schema_version, tenant_id, data, meta) VALUES (1, gen_random_uuid(), 1, 1, 't', 1, 1, '{}', '{}')`,
  ],
  tokens: [
    PUT, `SELECT reg.unlink_blob_v1('a', 'd', '{}')`, `SELECT reg.delete_tag_v1('a', 'b', '{}')`, 'DELETE FROM reg.repo', 'SELECT * FROM audit.day', 'SELECT reg.upload_key_v1()', 'SELECT * FROM reg.tag', 'SELECT * FROM reg.content', 'SELECT es.ensure_partitions()', 'SELECT * FROM es.consumer', `INSERT INTO es.actor VALUES ('r', 'user', 'n')`,
    'SELECT access.narrow(\'{}\')', `SELECT access.append('s', NULL, 't', 1, '{}', '{}', '{}')`, 'SELECT 1 FROM access.principal FOR UPDATE', `UPDATE access.principal SET epoch = 0`, `INSERT INTO access.grant (grant_id) VALUES (gen_random_uuid())`,
    `DELETE FROM access.refresh_token`, `UPDATE access.signing_key SET state = 'active'`, `INSERT INTO access.public_repository VALUES (gen_random_uuid(), 1)`,
  ],
};

let owner: TestDatabase;
const logins = new Map<ServiceName, PgDatabase>();

const as = (service: ServiceName): PgDatabase => logins.get(service) ?? fail(service);

function fail(service: string): never {
  throw new Error(`There is no login of ${service}.`);
}

beforeAll(async () => {
  owner = await testDatabase();
  await grantServices(owner.url, TEST_PASSWORDS);
  for (const service of SERVICES) logins.set(service, new PgDatabase({ url: serviceUrl(owner.url, service), poolSize: 2 }));
});
afterAll(async () => {
  await Promise.all([...logins.values()].map((database) => database.close()));
  await owner.close();
});

describe.each(SERVICES)('the role of %s', (service) => {
  it.each([...FOR_NOBODY, ...FORBIDDEN[service]])('may not: %s', async (statement) => {
    const outcome = await as(service).sql(statement).then(() => 'done', (error: unknown) => sqlState(error) ?? String(error));
    // 42501 is permission denied
    expect(outcome).toBe('42501');
  });

  it('has no right on a table, a column or a sequence but those listed', async () => {
    const rows = await owner.database.sql<{ right: string }>(`
      SELECT a.privilege_type || ' ' || c.oid::regclass::text AS right FROM pg_class c, aclexplode(c.relacl) a
        WHERE a.grantee = $1::regrole AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('es', 'reg', 'access', 'audit', 'public'))
      UNION ALL SELECT x.privilege_type || ' ' || t.attrelid::regclass::text || '.' || t.attname FROM pg_attribute t, aclexplode(t.attacl) x WHERE x.grantee = $1::regrole
      UNION ALL SELECT y.privilege_type || ' ' || n.nspname FROM pg_namespace n, aclexplode(n.nspacl) y WHERE y.grantee = $1::regrole`, [roleOf(service)]);
    expect(rows.map((row) => row.right.replace(/^(\w+) (?=waybill_)/, '$1 public.')).sort()).toEqual(RELATIONS[service]);
  });

  it('is nobody special, and belongs to no other role', async () => {
    expect(await owner.database.sql(
      `SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, (SELECT count(*)::int FROM pg_auth_members m WHERE m.member = r.oid) AS member_of FROM pg_roles r WHERE rolname = $1`, [roleOf(service)]))
      .toEqual([{ rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false, rolbypassrls: false, member_of: 0 }]);
  });
});

it('lets each function be called by exactly those who are listed for it', async () => {
  const rows = await owner.database.sql<{ name: string; callers: string[] }>(`
    SELECT p.pronamespace::regnamespace || '.' || p.proname AS name, array(SELECT r.rolname::text FROM pg_roles r WHERE r.rolname = ANY ($1) AND has_function_privilege(r.oid, p.oid, 'EXECUTE') ORDER BY 1) AS callers
    FROM pg_proc p WHERE p.pronamespace IN ('es'::regnamespace, 'reg'::regnamespace, 'access'::regnamespace, 'audit'::regnamespace) ORDER BY 1`, [SERVICES.map(roleOf)]);
  expect(Object.fromEntries(rows.map(({ name, callers }) => [name, callers]))).toEqual(Object.fromEntries(Object.entries(FUNCTIONS).map(([name, services]) => [name, services.map(roleOf)])));
});

/** What a service that somebody else has taken over might put into the log, and what of it does not fit there. */
const UNFIT = {
  'a number that is infinite for every reader': '{"n": 1e400}',
  'a number that few readers hold exactly': '{"n": 9007199254740993}',
  'a fraction': '{"n": [{"m": 0.1}]}',
  'a value that nests deep': `${'['.repeat(100)}${']'.repeat(100)}`,
  'more than a few kilobytes': JSON.stringify({ n: 'x'.repeat(9000) }),
};
const put = (meta: string): string => `SELECT * FROM reg.put_manifest_v1('hostile', false, 'sha256:${'a'.repeat(64)}', 'm', '{}'::bytea, NULL, NULL, NULL, '{}', '{}', '{}', '{}', '{}', false, '{}', NULL, '{}', '${meta}')`;

describe('the log refuses from a service', () => {
  it.each(Object.entries(UNFIT))('%s in meta', async (_what, meta) => {
    await expect(as('manifests').sql(put(meta))).rejects.toMatchObject({ code: 'WB422' });
  });

  it('nothing that a registry says of a request', async () => {
    expect(await as('manifests').sql(put('{"repo_name": "hostile", "client": {"ua": "x 9007199254740993 0.1 1e400"}}'))).toHaveLength(1);
  });
});

it('lets nobody call a function that does not run as the owner with a search path of its own', async () => {
  expect(await owner.database.sql(`
    SELECT p.oid::regprocedure::text AS name FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
    WHERE p.pronamespace IN ('es'::regnamespace, 'reg'::regnamespace, 'access'::regnamespace, 'audit'::regnamespace) AND a.grantee <> p.proowner
      AND NOT (p.prosecdef AND 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}')))`)).toEqual([]);
});

it('gives everybody else nothing: not in the schemas, not of what a later migration makes, and no tables of a session', async () => {
  await owner.database.sql('CREATE FUNCTION reg.later() RETURNS int LANGUAGE sql RETURN 1');
  const rows = await owner.database.sql(`
    SELECT 'function ' || p.oid::regprocedure::text AS open FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0 AND p.pronamespace IN ('es'::regnamespace, 'reg'::regnamespace, 'access'::regnamespace, 'audit'::regnamespace)
    UNION ALL SELECT 'relation ' || c.oid::regclass::text FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = 0 AND c.relnamespace IN ('es'::regnamespace, 'reg'::regnamespace, 'access'::regnamespace, 'audit'::regnamespace)
    UNION ALL SELECT 'schema ' || n.nspname FROM pg_namespace n, aclexplode(n.nspacl) a WHERE a.grantee = 0 AND n.nspname IN ('es', 'reg', 'access', 'audit')
    UNION ALL SELECT 'temporary tables' FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE a.grantee = 0 AND a.privilege_type = 'TEMPORARY' AND d.datname = current_database()`);
  expect(rows).toEqual([]);
  await owner.database.sql('DROP FUNCTION reg.later()');
});

it('leaves everything to a superuser who made nothing of it', async () => {
  const name = `waybill_test_second_${process.pid}`;
  await owner.database.sql(`CREATE ROLE ${name} SUPERUSER LOGIN PASSWORD '${TEST_PASSWORDS.blobs}'`);
  const second = new PgDatabase({ url: owner.url.replace(/^(\w+:\/\/)(?:[^@/]*@)?/, `$1${name}:${TEST_PASSWORDS.blobs}@`), poolSize: 1 });
  try {
    expect(await second.sql(PUT.replaceAll(`'m', ''`, `'m', '{}'::bytea`))).toHaveLength(1);
    expect(await second.sql('SELECT count(*)::int > 0 AS some FROM es.event')).toEqual([{ some: true }]);
    await second.sql('BEGIN; CREATE TABLE reg.theirs (id int); DROP TABLE reg.theirs; COMMIT');
  } finally {
    await second.close();
    await owner.database.sql(`DROP ROLE ${name}`);
  }
});
