import { jest } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { EmbeddedPostgres, PgDatabase } from '@waybill/platform';
import { freePort, requireBinaries, serviceUrl, setUpDatabase, startMinio, startSetUp, temporaryFolder, type RunningChild, type S3Server, type TemporaryFolder } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

jest.setTimeout(120_000);

const opened: TestDatabase[] = [];
afterAll(() => Promise.all(opened.map((database) => database.close())));

/** Nothing in it. */
async function fresh(): Promise<TestDatabase> {
  const database = await testDatabase({ migrated: false, poolSize: 2 });
  opened.push(database);
  return database;
}

const outcome = async (child: RunningChild): Promise<{ code: number | null; output: string }> => {
  await child.ended();
  return { code: child.exitCode, output: child.output };
};

const storage = (endpoint: string, bucket: string): Readonly<Record<string, string>> => ({
  WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: endpoint, WAYBILL_STORAGE_BUCKET: bucket, WAYBILL_STORAGE_ACCESS_KEY: 'waybill-test', WAYBILL_STORAGE_SECRET_KEY: 'waybill-test-secret',
});

describe('the set-up step', () => {
  it('does its work once when ten processes start at the same time on a fresh database, and all of them end with 0', async () => {
    const { url, database } = await fresh();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(startSetUp({ databaseUrl: url }))));
    expect(outcomes.filter(({ code }) => code !== 0)).toEqual([]);
    expect(outcomes.filter(({ output }) => /schema: ran \d+ migrations/.test(output))).toHaveLength(1);
    expect(await database.sql('SELECT name, count(*)::int AS n FROM public.waybill_migrations GROUP BY name HAVING count(*) > 1')).toEqual([]);
    const blobs = new PgDatabase({ url: serviceUrl(url, 'blobs'), poolSize: 1 });
    expect(await blobs.sql('SELECT count(*)::int AS n FROM reg.blob_link')).toEqual([{ n: 0 }]);
    await blobs.close();
  });

  it('sets up several databases of one server at the same time', async () => {
    const databases = await Promise.all(Array.from({ length: 4 }, fresh));
    const outcomes = await Promise.all(databases.flatMap(({ url }) => [0, 1].map(() => outcome(startSetUp({ databaseUrl: url })))));
    expect(outcomes.filter(({ code }) => code !== 0)).toEqual([]);
  });

  it('changes nothing when it runs again', async () => {
    const { url, database } = await fresh();
    await setUpDatabase({ databaseUrl: url });
    const rights = () => database.sql(`SELECT oid::regclass::text AS name, relacl::text FROM pg_class WHERE relnamespace IN ('es'::regnamespace, 'reg'::regnamespace) ORDER BY 1`);
    const before = await rights();
    expect(await setUpDatabase({ databaseUrl: url })).toMatch(/^schema: is current; 0 partitions made\nrights: /);
    expect(await rights()).toEqual(before);
  });

  it('gives no rights where it is told so, and the services then log in as the owner', async () => {
    const { url, database } = await fresh();
    expect(await setUpDatabase({ databaseUrl: url, settings: { WAYBILL_SETUP_ROLES: 'skip' } })).toContain('rights: not given, as setup.roles says');
    expect(await database.sql(`SELECT nspname FROM pg_namespace n, aclexplode(n.nspacl) a WHERE nspname IN ('es', 'reg') AND a.grantee <> n.nspowner`)).toEqual([]);
    expect(await database.sql('SELECT r.migration = (SELECT max(m.timestamp) FROM public.waybill_migrations m) AS current FROM public.waybill_rights r')).toEqual([{ current: true }]);
  });

  it('ends with 1 in plain words where no waiting helps', async () => {
    const { url } = await fresh();
    const nowhere = await outcome(startSetUp({ databaseUrl: url.replace(/waybill_test_\w+/, 'no_such_database') }));
    expect(nowhere).toEqual({ code: 1, output: expect.stringContaining('database "no_such_database" does not exist') });
    const nothing = await outcome(startSetUp({ databaseUrl: '' }));
    expect(nothing).toEqual({ code: 1, output: expect.stringContaining('database.url (WAYBILL_DATABASE_URL or DATABASE_URL) is missing; expected the database that all services use') });
    const late = await outcome(startSetUp({ databaseUrl: 'postgresql://ann:hush@127.0.0.1:1/waybill', settings: { WAYBILL_SETUP_WAIT: '1s' } }));
    expect(late).toEqual({ code: 1, output: expect.stringMatching(/^schema: waits for the database server\. .* 127\.0\.0\.1:1 .*\nschema: gave up waiting for the database server, as setup\.wait says\./) });
    expect(late.output).not.toMatch(/ann|hush/);
  });

  it('can be ended by a signal while it waits', async () => {
    const child = startSetUp({ databaseUrl: 'postgresql://ann@127.0.0.1:1/waybill' });
    await child.waitUntil(() => Promise.resolve(child.output.includes('waits for')));
    await child.stop();
    expect(child.exitCode).toBe(143);
  });
});

describe('the set-up step before its servers', () => {
  let folder: TemporaryFolder;
  beforeAll(async () => {
    folder = await temporaryFolder('set-up');
  });
  afterAll(() => folder.remove());

  it('waits for a Postgres that is still starting', async () => {
    const port = await freePort();
    const child = startSetUp({ databaseUrl: `postgresql://waybill@127.0.0.1:${port}/postgres` });
    await child.waitUntil(() => Promise.resolve(child.output.includes('schema: waits for the database server.')));
    const hba = join(folder.path, 'hba.conf');
    writeFileSync(hba, 'local all all trust\nhost all all 127.0.0.1/32 trust\n', { mode: 0o644 });
    const server = await EmbeddedPostgres.start({ dataDirectory: join(folder.path, 'data'), settings: { listen_addresses: '127.0.0.1', port, hba_file: hba } });
    try {
      expect(await outcome(child)).toEqual({ code: 0, output: expect.stringMatching(/schema: ran \d+ migrations/) });
    } finally {
      await server.stop();
    }
  });
});

const binaries = requireBinaries('minio');
if (binaries === undefined) it.skip('the set-up step with a bucket: MinIO is missing', () => undefined);
else {
  describe('the set-up step with a bucket', () => {
    let s3: S3Server;
    beforeAll(async () => {
      s3 = await startMinio(binaries.minio);
    });
    afterAll(() => s3.stop());

    it('makes it once when ten processes start at the same time', async () => {
      const { url } = await fresh();
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(startSetUp({ databaseUrl: url, settings: storage(s3.endpoint, 'contended') }))));
      expect(outcomes.filter(({ code }) => code !== 0)).toEqual([]);
      expect(outcomes.filter(({ output }) => output.includes('bucket: contended made'))).toHaveLength(1);
    });

    it('waits for an S3 server that is still starting, and ends with 1 where it refuses', async () => {
      const { url } = await fresh();
      const port = await freePort();
      const child = startSetUp({ databaseUrl: url, settings: storage(`http://127.0.0.1:${port}`, 'later') });
      await child.waitUntil(() => Promise.resolve(child.output.includes(`bucket: waits for the S3 server at http://127.0.0.1:${port}.`)));
      const proxy = await forward(port, Number(new URL(s3.endpoint).port));
      expect(await outcome(child)).toEqual({ code: 0, output: expect.stringContaining('bucket: later made') });
      const refused = await outcome(startSetUp({ databaseUrl: url, settings: { ...storage(s3.endpoint, 'later'), WAYBILL_STORAGE_SECRET_KEY: 'not the key' } }));
      expect(refused).toEqual({ code: 1, output: expect.stringMatching(/\nbucket, at the S3 server at http:\S+: .+/) });
      expect(refused.output).not.toContain('waits for');
      await new Promise((resolve) => proxy.close(resolve));
    });
  });
}

/** Whoever connects to one port reaches the other. */
async function forward(from: number, to: number): Promise<Server> {
  const server = createServer((socket) => {
    const other = connect(to, '127.0.0.1');
    socket.pipe(other).pipe(socket);
    for (const end of [socket, other]) end.on('error', () => [socket, other].forEach((one) => one.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(from, '127.0.0.1', resolve));
  return server;
}
