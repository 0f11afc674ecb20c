import { jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasDebianPostgres, startDebianPostgres } from '@waybill/event-log/testing';
import { EmbeddedPostgres, PgDatabase } from '@waybill/platform';
import { requireBinaries, setUpDatabase, temporaryFolder, type TemporaryFolder } from '@waybill/testing';

jest.setTimeout(120_000);
const run = promisify(execFile);

const NOT_OURS = `SELECT n.nspname || '.' || x.name AS name FROM pg_namespace n,
  LATERAL (SELECT relname::text AS name, relowner AS owner FROM pg_class WHERE relnamespace = n.oid UNION ALL SELECT proname, proowner FROM pg_proc WHERE pronamespace = n.oid
    UNION ALL SELECT typname, typowner FROM pg_type WHERE typnamespace = n.oid UNION ALL SELECT '', n.nspowner) x
  WHERE n.nspname IN ('es', 'reg', 'access', 'audit') AND x.owner <> 'waybill'::regrole OR n.nspname = 'public' AND x.name ~ '^waybill_' AND x.owner <> 'waybill'::regrole`;
const SUPERUSERS = 'SELECT rolname, rolpassword IS NOT NULL AS password FROM pg_authid WHERE rolsuper ORDER BY 1';

interface Server {
  readonly url: string;
  stop(): Promise<void>;
}

/** The address of a database on the server, with a login. */
const at = (server: Server, database: string, login: string): string => server.url.replace('waybill@', `${login}@`).replace('/postgres?', `/${database}?`);

async function rowsOf(url: string, statement: string): Promise<unknown[]> {
  const database = new PgDatabase({ url, poolSize: 1 });
  try {
    return await database.sql(statement);
  } finally {
    await database.close();
  }
}

const binaries = requireBinaries('psql', 'bash');
if (binaries === undefined) it.skip('the owner of the schema: psql is missing', () => undefined);
else {
  let folder: TemporaryFolder;
  let server: Server;
  beforeAll(async () => {
    folder = await temporaryFolder('owner');
    server = await EmbeddedPostgres.start({ dataDirectory: join(folder.path, 'data'), settings: { fsync: 'off' } });
  });
  afterAll(async () => {
    await server.stop();
    await folder.remove();
  });

  const makeOwner = (password: string) =>
    run(binaries.bash, ['deploy/postgres/owner.sh'], { env: { ...process.env, PGHOST: new URL(server.url).searchParams.get('host') ?? '', OWNER_PASSWORD: password } });

  describe('deploy/postgres/owner.sh, on a server of an earlier release, whose superuser owned everything', () => {
    beforeAll(async () => {
      const owner = at(server, 'postgres', 'waybill');
      await rowsOf(owner, 'CREATE DATABASE waybill');
      await rowsOf(owner, `ALTER ROLE waybill PASSWORD 'before'`);
      await setUpDatabase({ databaseUrl: at(server, 'waybill', 'waybill') });
      await makeOwner("it's new");
    });

    it('leaves nothing of the schemas to a superuser, and no superuser a password', async () => {
      const superuser = at(server, 'waybill', 'postgres');
      expect(await rowsOf(superuser, NOT_OURS)).toEqual([]);
      expect(await rowsOf(superuser, SUPERUSERS)).toEqual([{ rolname: 'postgres', password: false }, { rolname: 'waybill_before', password: false }]);
      expect(await rowsOf(superuser, `SELECT rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, datdba = r.oid AS owns FROM pg_roles r, pg_database WHERE rolname = 'waybill' AND datname = 'waybill'`))
        .toEqual([{ rolcreaterole: true, rolcreatedb: false, rolreplication: false, rolbypassrls: false, owns: true }]);
    });

    it('changes nothing the second time but the password', async () => {
      const all = () => rowsOf(at(server, 'waybill', 'postgres'), `SELECT oid, relacl, relowner FROM pg_class WHERE oid > 16384 UNION ALL SELECT oid, proacl, proowner FROM pg_proc WHERE oid > 16384 UNION ALL SELECT roleid, NULL, member FROM pg_auth_members ORDER BY 1, 3`);
      const before = await all();
      await makeOwner('another');
      expect(await all()).toEqual(before);
    });

    it('the set-up step goes on as the new owner, with new passwords for the services', async () => {
      const said = await setUpDatabase({ databaseUrl: at(server, 'waybill', 'waybill'), settings: { WAYBILL_SETUP_PASSWORDS_BLOBS: 'changed' } });
      expect(said).toMatch(/^schema: is current;/);
      expect(said).toContain('waybill_blobs logs in with the password of setup.passwords.blobs');
      expect(said).not.toContain('made the role');
    });
  });

  const plainOwner = (start: () => Promise<Server>) => async (): Promise<void> => {
    const other = await start();
    try {
      await rowsOf(other.url, 'CREATE ROLE plain LOGIN CREATEROLE');
      await rowsOf(other.url, 'CREATE DATABASE plain OWNER plain');
      for (const made of [true, false]) {
        const said = await setUpDatabase({ databaseUrl: at(other, 'plain', 'plain') });
        expect(said.includes('made the role waybill_tokens')).toBe(made);
        expect(said).toContain('given to the roles of blobs, manifests, relay, tokens');
      }
    } finally {
      await other.stop();
    }
  };

  describe('the set-up step needs no more than a database of its own and CREATEROLE', () => {
    it('on the Postgres that the registry brings', plainOwner(async () => {
      const empty = await temporaryFolder('plain-owner');
      const started = await EmbeddedPostgres.start({ dataDirectory: join(empty.path, 'data'), settings: { fsync: 'off' } });
      return { url: started.url, stop: () => started.stop().then(() => empty.remove()) };
    }));

    if (hasDebianPostgres()) it('on Postgres 15', plainOwner(startDebianPostgres));
  });
}
