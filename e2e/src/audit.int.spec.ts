import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { searchAudit, verifyAudit } from '@waybill/access';
import type { AuditLine } from '@waybill/access';
import { buildContent, pushContent, RegistryClient, RegistryProcess, temporaryFolder } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

/** bcrypt of `opensesame`. */
const HTPASSWD = 'alice:$2b$04$T1n1bnBasRYbbnAGdO/xPOjopSgP4OJdhp9zTmXf2cJRQNSP2lsAa\n';
const basic = (login: string, password: string): { readonly Authorization: string } => ({ Authorization: `Basic ${Buffer.from(`${login}:${password}`).toString('base64')}` });

/** Logs in with every request. */
class LoggedIn extends RegistryClient {
  override send(request: Parameters<RegistryClient['send']>[0]): ReturnType<RegistryClient['send']> {
    return super.send({ ...request, headers: { ...request.headers, ...basic('alice', 'opensesame') } });
  }
}

describe('the audit of a registry', () => {
  let db: TestDatabase;
  let entries: readonly AuditLine[];
  let logs: string;
  const of = (wanted: Partial<AuditLine>): readonly AuditLine[] => entries.filter((entry) => Object.entries(wanted).every(([key, value]) => Object.entries(entry).some(([name, its]) => name === key && its === value)));

  beforeAll(async () => {
    db = await testDatabase();
    const folder = await temporaryFolder('audit');
    const file = join(folder.path, 'users');
    await writeFile(file, HTPASSWD);
    const registry = await RegistryProcess.start({ databaseUrl: db.url, settings: { WAYBILL_AUTH_MODE: 'htpasswd', WAYBILL_AUTH_HTPASSWD: file } });
    const [alice, stranger] = [new LoggedIn(registry.baseUrl), new RegistryClient(registry.baseUrl)];
    const content = buildContent({ blobs: { config: { random: 60 }, layer: { random: 1000 } }, manifests: { app: { kind: 'image', config: 'config', layers: ['layer'] } } });
    await pushContent(alice, 'acme/app', content, { latest: 'app' });
    for (let i = 0; i < 100; i += 1) expect((await alice.get('/v2/acme/app/manifests/latest')).status).toBe(200);
    expect((await alice.get('/v2/acme/app/manifests/none')).status).toBe(404);
    for (let i = 0; i < 30; i += 1) expect((await stranger.get('/v2/acme/app/manifests/latest', basic('alice', `guess ${i}`))).status).toBe(401);
    expect((await stranger.get('/v2/acme/app/manifests/latest')).status).toBe(401);
    expect((await stranger.ping()).status).toBe(401);
    await registry.stop();
    logs = registry.logs();
    ({ entries } = await searchAudit(db.database, {}, 1000));
    await folder.remove();
  });
  afterAll(() => db.close());

  it('says who read what, however often, in one entry', () => {
    expect(of({ action: 'getManifest', outcome: 'allowed' })).toMatchObject([{ actor: expect.any(String), auth_kind: 'htpasswd', repository: 'acme/app', address: '127.0.0.1', count: 100 }]);
  });

  it('says who was refused what, from where', () => {
    expect(of({ outcome: 'denied' })).toMatchObject([{ actor: null, action: 'getManifest', repository: 'acme/app', address: '127.0.0.1', count: 30 }]);
  });

  it('tells a client that was asked to log in from one that was refused, and leaves the first step of every client out', () => {
    expect(of({ outcome: 'challenged' })).toMatchObject([{ action: 'getManifest', count: 1 }]);
    expect(of({ action: 'ping' })).toEqual([]);
  });

  it('leaves to the log what the log has', () => {
    expect(entries.filter(({ action }) => /put|complete|upload/i.test(action))).toEqual([]);
  });

  it('is a whole chain when the registry has stopped', async () => {
    expect(await verifyAudit(db.database)).toMatchObject({ entries: entries.length, faults: [] });
  });

  it('has no secret, nor have the log lines', async () => {
    const [rows] = await db.database.sql<{ text: string }>(`SELECT string_agg(line, '') AS text FROM audit.entry`);
    for (const text of [rows?.text ?? '', logs]) expect(text).not.toMatch(/opensesame|guess|T1n1bnBas|Basic /);
  });
});
