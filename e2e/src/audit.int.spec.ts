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
  let refused: number;
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
    const guesses = [];
    for (let i = 0; i < 30; i += 1) guesses.push((await stranger.get('/v2/acme/app/manifests/latest', basic('alice', `guess ${i}`))).status);
    // a few more where the machine is slow: one in ten seconds
    refused = guesses.filter((status) => status === 401).length;
    expect(guesses.slice(0, 10)).toEqual(Array(10).fill(401));
    expect(guesses.filter((status) => status === 429)).toHaveLength(30 - refused);
    expect((await alice.get('/v2/acme/app/manifests/none')).status).toBe(404);
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

  it('says who was refused what, from where; whoever guesses is slowed, and the owner goes on', () => {
    expect(of({ outcome: 'denied' })).toMatchObject([{ actor: null, action: 'getManifest', repository: 'acme/app', address: '127.0.0.1', count: refused }]);
    expect(refused).toBeLessThan(30);
  });

  it('tells a client that was asked to log in from one that was refused, and leaves the first step of every client out', () => {
    expect(of({ outcome: 'challenged' })).toMatchObject([{ action: 'getManifest', count: 1 }]);
    expect(of({ action: 'ping' })).toEqual([]);
  });

  it('says who pushed what, from where, as the same person who read', () => {
    const [reader] = of({ action: 'getManifest', outcome: 'allowed' });
    expect(of({ action: 'putManifest' })).toMatchObject([{ outcome: 'allowed', actor: reader?.actor, repository: 'acme/app', address: '127.0.0.1', count: 2 }]);
    expect(of({ outcome: 'allowed' }).filter(({ action }) => /upload|blob/i.test(action)).reduce((sum, { count }) => sum + count, 0)).toBe(2);
    expect(entries.filter(({ action }) => /start|append|status|cancel/i.test(action))).toEqual([]);
  });

  it('is a whole chain when the registry has stopped', async () => {
    expect(await verifyAudit(db.database)).toMatchObject({ entries: entries.length, faults: [] });
  });

  it('has no secret, nor have the log lines', async () => {
    const [rows] = await db.database.sql<{ text: string }>(`SELECT string_agg(line, '') AS text FROM audit.entry`);
    for (const text of [rows?.text ?? '', logs]) expect(text).not.toMatch(/opensesame|guess|T1n1bnBas|Basic /);
  });
});

describe('the audit of a registry that issues tokens', () => {
  it('has a row for each token of somebody who logged in, with what it grants and without the token', async () => {
    const db = await testDatabase();
    const registry = await RegistryProcess.start({ databaseUrl: db.url, settings: { WAYBILL_AUTH_MODE: 'tokens', WAYBILL_ADMIN_PASSWORD: 'correct horse battery' } });
    const ask = (login: string | undefined): Promise<Response> => fetch(`${registry.baseUrl}/token?service=${new URL(registry.baseUrl).host}&scope=repository:acme/app:pull,push`, login === undefined ? {} : { headers: basic('admin', login) });
    const answer = await ask('correct horse battery');
    expect(answer.status).toBe(200);
    const token = JSON.stringify(await answer.json());
    for (let i = 0; i < 3; i += 1) expect((await ask(undefined)).status).toBe(200);
    expect((await ask('a guess of mine')).status).toBe(401);
    await registry.stop();
    const found = (await searchAudit(db.database, { action: 'token' }, 100)).entries;
    const [admin] = await db.database.sql<{ id: string }>(`SELECT principal_id AS id FROM access.principal WHERE login = 'admin'`);
    const said = found.map(({ kind, outcome, actor, count, detail }) => ({ kind, outcome, actor, count, scopes: detail?.['scopes'] }));
    expect(said).toEqual(expect.arrayContaining([
      { kind: 'token', outcome: 'allowed', actor: admin?.id, count: 1, scopes: ['repository:acme/app:pull,push,overwrite'] },
      { kind: 'request', outcome: 'allowed', actor: null, count: 3, scopes: undefined },
      { kind: 'request', outcome: 'denied', actor: null, count: 1, scopes: undefined },
    ]));
    expect(said).toHaveLength(3);
    const signature = /"token":"[^"]*\.([^".]+)"/.exec(token)?.[1] ?? 'none';
    expect(signature.length).toBeGreaterThan(40);
    expect(JSON.stringify(found)).not.toMatch(new RegExp(`${signature}|correct horse|guess of mine`));
    expect((await verifyAudit(db.database)).faults).toEqual([]);
    await db.close();
  });
});
