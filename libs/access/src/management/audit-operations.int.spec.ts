import { createHash } from 'node:crypto';
import type { AuditEntry } from '../audit-entry.js';
import { AuditTrail } from '../audit-trail.js';
import { PASSWORD, startManagement } from '../testing/management.js';
import type { Ask, ManagementUnderTest } from '../testing/management.js';

let api: ManagementUnderTest;
let root: Ask;
const ids = new Map<string, string>();

async function made(organisation: string, what: string, body: object): Promise<string> {
  const { status, body: { id }, text } = await root('POST', organisation === '' ? `/${what}` : `/organisations/${organisation}/${what}`, { body });
  if (status !== 201) throw new Error(`expected 201: ${status} ${text}`);
  return String(id);
}

const allow = (login: string, repositories: string, more: object): object => ({ effect: 'allow', repositories, subject: { kind: 'principal', login }, ...more });
const entry = (actor: string | null, repository: string | null, more: Partial<AuditEntry> = {}): AuditEntry => ({
  kind: 'request', outcome: 'allowed', actor, auth_kind: 'user', action: 'getManifest', repository, address: '192.0.2.1', count: 1, since: '2026-11-01T12:00:00.000Z', until: '2026-11-01T12:00:00.000Z', ...more,
});

/** What somebody finds: the repositories of the entries, or the status of the refusal. */
async function found(login: string, search: string, secret = PASSWORD): Promise<unknown> {
  const { status, body } = await api.as(login, secret)('GET', `/audit?${search}`);
  return status === 200 ? (body['items'] as { repository: string | null }[]).map(({ repository }) => repository ?? 'none').toSorted() : status;
}

beforeAll(async () => {
  api = await startManagement();
  root = api.as('root');
  for (const login of ['alice', 'ada', 'olga', 'dora', 'part']) ids.set(login, await made('', 'users', { login, password: PASSWORD }));
  for (const name of ['acme', 'other']) await made('', 'organisations', { name });
  ids.set('acme+ci', await made('acme', 'robots', { name: 'ci' }));
  await made('acme', 'grants', allow('ada', '**', { role: 'auditor' }));
  await made('acme', 'grants', allow('olga', '**', { role: 'owner' }));
  await made('acme', 'grants', allow('dora', '**', { role: 'auditor' }));
  await made('acme', 'grants', { ...allow('dora', 'acme/vault', { actions: ['audit'] }), effect: 'deny' });
  const role = await made('acme', 'roles', { name: 'watcher', actions: ['audit'] });
  await made('acme', 'grants', allow('part', 'acme/web', { role }));
  await made('acme', 'grants', allow('alice', '**', { role: 'maintainer' }));
  const trail = new AuditTrail(api.db.database, { gatherMs: 1 });
  const of = (login: string): string => ids.get(login) ?? '';
  trail.keep(entry(of('alice'), 'acme/web'));
  trail.keep(entry(of('alice'), 'acme/vault', { outcome: 'denied', action: 'deleteManifest', address: '192.0.2.7' }));
  trail.keep(entry(of('alice'), 'other/web'));
  trail.keep(entry(null, 'other/web', { outcome: 'denied' }));
  trail.keep(entry(of('alice'), null, { kind: 'token', action: 'token', detail: { scopes: ['repository:other/web:pull'] } }));
  trail.keep(entry(of('acme+ci'), null, { kind: 'token', action: 'token' }));
  trail.keep(entry(of('acme+ci'), 'acme/web'));
  trail.keep(entry('an-id-of-another-registry', 'single'));
  await trail.stop();
});
afterAll(() => api.close());

describe('the audit, searched', () => {
  it('shows all of it to an admin, by each of its parameters', async () => {
    expect(await found('root', '')).toHaveLength(8);
    const searches: readonly (readonly [string, readonly string[]])[] = [
      ['organisation=acme', ['acme/vault', 'acme/web', 'acme/web']], ['organisation=library', ['single']], ['repository=other/web', ['other/web', 'other/web']],
      ['organisation=acme&repository=other/web', []],
      ['actor=alice', ['acme/vault', 'acme/web', 'none', 'other/web']], [`actor=${ids.get('alice')}&organisation=other`, ['other/web']], ['actor=', ['other/web']], ['actor=nobody', []],
      ['actor=an-id-of-another-registry', ['single']], ['action=deleteManifest', ['acme/vault']], ['outcome=denied', ['acme/vault', 'other/web']], ['kind=token', ['none', 'none']],
      ['from=192.0.2.7', ['acme/vault']], ['since=2020-01-01T00:00:00Z&outcome=denied&from=192.0.2.1', ['other/web']], ['until=2020-01-01T00:00:00Z', []], ['since=2999-01-01T00:00:00Z', []],
    ];
    for (const [search, expected] of searches) expect([search, await found('root', search)]).toEqual([search, expected]);
  });

  it('names people by their logins, and says nothing of what it does not tell', async () => {
    const { body } = await root('GET', '/audit?repository=acme/vault');
    expect(body).toEqual({ items: [{
      at: expect.stringMatching(/^20\d\d-.*Z$/), kind: 'request', outcome: 'denied', actor: { id: ids.get('alice'), login: 'alice' }, auth_kind: 'user', action: 'deleteManifest', repository: 'acme/vault', address: '192.0.2.7',
      count: 1, since: '2026-11-01T12:00:00.000Z', until: '2026-11-01T12:00:00.000Z',
    }] });
  });

  it('shows an organisation to whoever may audit all of it, and nothing of any other', async () => {
    for (const login of ['ada', 'olga']) {
      expect(await found(login, 'organisation=acme')).toEqual(['acme/vault', 'acme/web', 'acme/web']);
      expect(await found(login, 'repository=acme/web')).toEqual(['acme/web', 'acme/web']);
      expect(await found(login, 'organisation=acme&actor=alice')).toEqual(['acme/vault', 'acme/web']);
      expect(await found(login, 'organisation=acme&actor=')).toEqual([]);
      expect(await found(login, 'organisation=acme&repository=other/web')).toEqual([]);
      for (const search of ['organisation=other', 'repository=other/web', 'organisation=library', 'organisation=-', 'organisation=nowhere', 'actor=alice', 'actor=acme%2Bci', 'actor=']) expect([search, await found(login, search)]).toEqual([search, 404]);
    }
  });

  it('shows all that a robot did to whoever may audit its organisation, its logins too', async () => {
    expect(await found('ada', 'organisation=acme&actor=acme%2Bci')).toEqual(['acme/web', 'none']);
    expect(await found('root', 'organisation=acme&actor=acme%2Bci')).toEqual(['acme/web']);
  });

  it('shows one repository to whoever may audit that, by a role of one\'s own', async () => {
    expect(await found('part', 'repository=acme/web')).toEqual(['acme/web', 'acme/web']);
    for (const search of ['organisation=acme', 'repository=acme/vault', 'organisation=other&repository=acme/web', 'repository=ACME']) expect([search, [400, 404].includes(Number(await found('part', search)))]).toEqual([search, true]);
  });

  it('one deny in an organisation is enough not to see all of it', async () => {
    expect([await found('dora', 'organisation=acme'), await found('dora', 'repository=acme/vault'), await found('dora', 'repository=acme/web')]).toEqual([404, 404, ['acme/web', 'acme/web']]);
  });

  it('shows everybody what was done in their name, and nothing else to those who may not audit', async () => {
    expect(await found('alice', 'actor=alice')).toEqual(['acme/vault', 'acme/web', 'none', 'other/web']);
    expect(await found('alice', `actor=${ids.get('alice')}&organisation=acme&outcome=denied`)).toEqual(['acme/vault']);
    for (const search of ['organisation=acme', 'repository=acme/web', 'actor=ada', 'actor=', 'organisation=acme&actor=ada']) expect([search, await found('alice', search)]).toEqual([search, 404]);
    expect(await found('alice', '')).toBe(400);
  });

  it('answers for an organisation of others as for one that is not there', async () => {
    const [others, none, missing] = await Promise.all(['/audit?organisation=other', '/audit?organisation=nowhere', '/organisations/nowhere'].map((path) => api.as('ada')('GET', path)));
    expect([others?.status, others?.text]).toEqual([none?.status, none?.text]);
    expect(others?.text).toBe(missing?.text);
  });

  it('comes in pages, and refuses what is no page, no limit and no parameter', async () => {
    const seen: string[] = [];
    for (let last = ''; ;) {
      const { body } = await root('GET', `/audit?limit=3${last}`);
      seen.push(...(body['items'] as { repository: string | null }[]).map(({ repository }) => String(repository)));
      const { last: next } = body;
      if (typeof next !== 'string') break;
      last = `&last=${encodeURIComponent(next)}`;
    }
    expect(seen).toHaveLength(8);
    for (const search of ['limit=0', 'limit=1001', 'last=1', "last='", 'outcome=perhaps', 'from=somewhere', 'since=yesterday', 'n=1', 'actor=a&actor=b']) expect([search, await found('root', search)]).toEqual([search, 400]);
  });
});

describe('the audit, exported', () => {
  const ask = (search = '', login = 'root', secret = PASSWORD): Promise<Response> =>
    fetch(`${api.url}/audit:export${search}`, { headers: { Authorization: `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}` } });
  const linesOf = async (search = ''): Promise<readonly string[]> => {
    const text = await (await ask(search)).text();
    expect(text.endsWith('\n')).toBe(true);
    return text.slice(0, -1).split('\n');
  };
  const entryOf = (line: string): { readonly hash: string; readonly text: string } => ({ hash: line.slice(9, 73), text: line.slice('{"hash":"","entry":'.length + 64, -1) });

  it('is every entry as it was hashed, oldest first, and says at its end that it is whole', async () => {
    const response = await ask();
    expect([response.status, response.headers.get('content-type'), response.headers.get('content-length'), response.headers.get('cache-control')]).toEqual([200, 'application/jsonl', null, 'no-store']);
    await response.text();
    const lines = await linesOf();
    let hash = createHash('sha256').digest();
    for (const [index, line] of lines.slice(0, -1).entries()) {
      const { hash: said, text } = entryOf(line);
      hash = createHash('sha256').update(hash).update(text).digest();
      expect([said, JSON.parse(line)]).toEqual([hash.toString('hex'), { hash: said, entry: expect.objectContaining({ n: index + 1 }) }]);
    }
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ end: { entries: lines.length - 1, last: hash.toString('hex') } });
    expect(lines.length).toBeGreaterThan(8);
    expect((await api.db.database.sql<{ n: number }>('SELECT n::int FROM audit.head'))[0]?.n).toBe(lines.length - 1);
  });

  it('is of a span of time, which may have nothing', async () => {
    const all = await linesOf();
    const at = String(JSON.parse(all[3] ?? '')['entry']['at']);
    const middle = encodeURIComponent(at.replace(/\d{3}Z$/, 'Z'));
    const [before, after] = [await linesOf(`?until=${middle}`), await linesOf(`?since=${middle}`)];
    expect([...before.slice(0, -1), ...after.slice(0, -1)]).toEqual(all.slice(0, -1));
    expect(after.slice(-2)).toEqual([all.at(-2), JSON.stringify({ end: { entries: after.length - 1, last: entryOf(all.at(-2) ?? '').hash } })]);
    expect(await linesOf('?until=2020-01-01T00:00:00Z')).toEqual([JSON.stringify({ end: { entries: 0, last: null } })]);
  });

  it('is for admins, whoever may audit what', async () => {
    for (const login of ['ada', 'olga', 'part', 'alice']) {
      const response = await ask('', login);
      expect([login, response.status, JSON.parse(await response.text())]).toEqual([login, 403, expect.objectContaining({ code: 'forbidden', detail: expect.stringContaining('GET /audit') })]);
    }
    expect([(await ask('', 'root', 'wrong')).status, (await ask('?since=yesterday')).status, (await ask('?organisation=acme')).status, (await fetch(`${api.url}/audit:export`)).status]).toEqual([401, 400, 400, 401]);
  });
});
