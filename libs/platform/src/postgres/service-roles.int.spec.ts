import { jest } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgDatabase } from './database.js';
import { EmbeddedPostgres } from './embedded-postgres.js';
import { migrate } from './migrations.js';
import { sqlState } from './postgres-errors.js';
import { grantServices, RolesRefused, roleOf, SERVICES } from './service-roles.js';

jest.setTimeout(60_000);
const root = mkdtempSync(join(tmpdir(), 'wb-service-roles-'));
let server: EmbeddedPostgres;
let admin: PgDatabase;
const opened: PgDatabase[] = [];

const open = (url: string): PgDatabase => {
  const database = new PgDatabase({ url, poolSize: 2 });
  opened.push(database);
  return database;
};

/** The address of a database on the server, with a login. */
const at = (database: string, login = 'waybill'): string => server.url.replace('waybill@', `${login}@`).replace('/postgres?', `/${database}?`);

const create = async (database: string, owner = 'waybill'): Promise<string> => {
  await admin.sql(`CREATE DATABASE ${database} OWNER ${owner}`);
  return at(database, owner);
};

const withoutRoles = async (): Promise<void> => {
  const { length } = await admin.sql(`SELECT 1 FROM pg_roles WHERE rolname = ANY ($1)`, [SERVICES.map(roleOf)]);
  if (length === 0) return;
  for (const { datname } of await admin.sql<{ datname: string }>(`SELECT datname FROM pg_database WHERE datname NOT LIKE 'template%' AND datname <> 'postgres'`)) await admin.sql(`DROP DATABASE ${datname} WITH (FORCE)`);
  for (const service of SERVICES) await admin.sql(`DROP ROLE IF EXISTS ${roleOf(service)}`);
};

describe('the roles of the services', () => {
  beforeAll(async () => {
    const hba = join(root, 'hba.conf');
    // only the roles of services need a password
    writeFileSync(hba, `local all ${SERVICES.map(roleOf).join(',')} scram-sha-256\nlocal all all trust\n`, { mode: 0o644 });
    server = await EmbeddedPostgres.start({ dataDirectory: join(root, 'data'), settings: { hba_file: hba, fsync: 'off', max_connections: 200 } });
    admin = new PgDatabase({ url: server.url, poolSize: 2 });
    await admin.sql('CREATE ROLE plain LOGIN');
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((database) => database.close()));
    await withoutRoles();
  });

  afterAll(async () => {
    await admin.close();
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  });

  it('log in with the password that they were given last, and with no other', async () => {
    const url = await create('logins');
    await migrate(url);
    await grantServices(url, { blobs: 'first word', relay: "with 'quotes' and $" });
    await grantServices(url, { blobs: 'second word' });
    const login = (user: string, password: string): Promise<unknown> => open(at('logins', `${user}:${encodeURIComponent(password)}`)).sql('SELECT current_user').then(([row]) => row, sqlState);
    expect(await login('waybill_blobs', 'second word')).toEqual({ current_user: 'waybill_blobs' });
    expect(await login('waybill_relay', "with 'quotes' and $")).toEqual({ current_user: 'waybill_relay' });
    expect(await login('waybill_blobs', 'first word')).toBe('28P01');
    // nobody gave this one a password
    expect(await login('waybill_manifests', 'second word')).toBe('28P01');
    expect(await admin.sql(`SELECT rolcanlogin FROM pg_roles WHERE rolname = 'waybill_manifests'`)).toEqual([{ rolcanlogin: false }]);
  });

  it('are made once when eight databases of one server are set up at the same time, and have their rights in each', async () => {
    const urls = await Promise.all(Array.from({ length: 8 }, (_, i) => create(`many_${i}`)));
    await Promise.all(urls.map((url) => migrate(url)));
    const passwords = { blobs: 'b', manifests: 'm', relay: 'r' };
    await Promise.all([...urls, ...urls].map((url) => grantServices(url, passwords)));
    for (let i = 0; i < urls.length; i++) {
      expect(await open(at(`many_${i}`, 'waybill_blobs:b')).sql('SELECT count(*)::int AS n FROM reg.blob')).toEqual([{ n: 0 }]);
    }
  });

  it('are asked of an administrator where the owner of the schema may not make them; the schema itself needs no such right', async () => {
    const url = await create('modest', 'plain');
    expect((await migrate(url)).length).toBeGreaterThan(0);
    const refused = await grantServices(url, { blobs: 'b' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RolesRefused);
    expect(String(refused)).toContain('The database role "plain" may not make roles, because it has no CREATEROLE. Nothing was granted.');
    expect(String(refused)).toContain("  CREATE ROLE waybill_blobs LOGIN PASSWORD '…';\n  CREATE ROLE waybill_manifests NOLOGIN;\n  CREATE ROLE waybill_relay NOLOGIN;\n  CREATE ROLE waybill_tokens NOLOGIN;\n");
    await admin.sql(`CREATE ROLE waybill_blobs LOGIN`);
    for (const service of ['manifests', 'relay', 'tokens'] as const) await admin.sql(`CREATE ROLE ${roleOf(service)} NOLOGIN`);
    // roles that others made may get rights from the owner, but no password
    await expect(grantServices(url, { blobs: 'b' })).rejects.toThrow(/may not change the role waybill_blobs, which another one made[\s\S]*ALTER ROLE waybill_blobs LOGIN PASSWORD/);
    expect(await grantServices(url)).toEqual([]);
    expect(await admin.sql(`SELECT has_database_privilege('waybill_blobs', 'modest', 'CONNECT') AS connect, has_database_privilege('waybill_blobs', 'modest', 'TEMPORARY') AS temporary`)).toEqual([{ connect: true, temporary: false }]);
    const [row] = await open(at('modest')).sql(`SELECT has_function_privilege('waybill_blobs', 'reg.upload_key_v1()', 'EXECUTE') AS ours, has_function_privilege('waybill_relay', 'reg.upload_key_v1()', 'EXECUTE') AS theirs`);
    expect(row).toEqual({ ours: true, theirs: false });
  });

  it('get no rights from somebody who does not own the schemas, and the message says who could', async () => {
    await migrate(await create('theirs', 'plain'));
    await admin.sql('CREATE ROLE other LOGIN CREATEROLE');
    await expect(grantServices(at('theirs', 'other'))).rejects.toThrow(/"other" may not give rights in the schemas es, reg and access[\s\S]*Run the set-up step as the role that made the schemas/);
    expect(await open(at('theirs')).sql(`SELECT has_schema_privilege('waybill_blobs', 'reg', 'USAGE') AS usage`)).toEqual([{ usage: false }]);
    await withoutRoles();
    await admin.sql('DROP ROLE other');
  });

  it('lose a right that the file no longer names', async () => {
    const url = await create('stale');
    await migrate(url);
    await grantServices(url);
    const owner = open(url);
    await owner.sql('GRANT UPDATE ON es.event TO waybill_relay');
    await owner.sql('GRANT UPDATE (size) ON reg.blob TO waybill_blobs');
    await owner.sql('GRANT EXECUTE ON FUNCTION es.append(jsonb) TO PUBLIC');
    await grantServices(url);
    expect(await owner.sql(`SELECT has_table_privilege('waybill_relay', 'es.event', 'UPDATE') AS a, has_any_column_privilege('waybill_blobs', 'reg.blob', 'UPDATE') AS b, has_function_privilege('waybill_relay', 'es.append(jsonb)', 'EXECUTE') AS c`))
      .toEqual([{ a: false, b: false, c: false }]);
  });
});
