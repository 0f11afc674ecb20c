import { jest } from '@jest/globals';
import { verifyLog } from '@waybill/event-log/postgres';
import { parseRepositoryName } from '@waybill/oci';
import { hashSecret } from './secret.js';
import { accessFixture, ORDER, PASSWORD, refusal } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

const ACME_WEB = parseRepositoryName('acme/web');
let at: AccessFixture;
let people = 0;

beforeAll(async () => {
  at = await accessFixture();
  await at.users.create(ORDER, { login: 'root', password: PASSWORD, admin: true });
  await at.organisations.create(ORDER, 'acme');
  await at.organisations.create(ORDER, 'umbrella');
  await at.repositories.create(ORDER, ACME_WEB);
});
afterAll(async () => {
  const { differences } = await verifyLog(at.database);
  await at.close();
  // what the commands wrote and what their events say are the same, whatever the tests did
  expect(differences).toEqual([]);
});

const user = async (settings = {}): Promise<string> => (await at.users.create(ORDER, { login: `user${++people}`, password: PASSWORD, ...settings })).id;
const robot = async (organisation = 'acme'): Promise<string> => (await at.robots.create(ORDER, organisation, `robot${++people}`)).id;
const group = async (organisation: string | null = 'acme'): Promise<string> => (await at.groups.create(ORDER, organisation, `group${++people}`)).id;
const allow = async (subject: { kind: 'principal' | 'group'; id: string } | { kind: 'everybody' }, more = {}): Promise<string> =>
  (await at.grants.give(ORDER, { organisation: 'acme', subject, effect: 'allow', repositories: 'acme/**', actions: ['pull'], ...more })).id;
async function epoch(principal: string): Promise<number> {
  const [row] = await at.database.sql<{ epoch: number }>('SELECT epoch FROM access.principal WHERE principal_id = $1', [principal]);
  return row?.epoch ?? -1;
}
async function everybodys(organisation = 'acme'): Promise<number> {
  return (await at.organisations.epochs([organisation]))[organisation] ?? -1;
}
async function lastEvent(): Promise<{ type: string; data: Record<string, unknown> }> {
  const [row] = await at.database.sql<{ type: string; data: Record<string, unknown> }>('SELECT type, data FROM es.event ORDER BY gpos DESC LIMIT 1');
  return row ?? { type: '', data: {} };
}

describe('a change', () => {
  it('has the version of its stream, and says what was and what is', async () => {
    const id = await user();
    expect(await at.users.change(ORDER, id, { admin: true })).toEqual({ id, version: 2, repeated: false });
    expect(await lastEvent()).toEqual({ type: 'UserChanged', data: { principal: id, before: { admin: false }, after: { admin: true } } });
    expect(await at.users.get(id)).toMatchObject({ admin: true, version: 2, hasPassword: true });
  });

  it('that changes nothing appends nothing', async () => {
    const id = await user({ networks: ['10.0.0.0/8'] });
    const grant = await allow({ kind: 'principal', id });
    const before = await at.database.sql('SELECT max(gpos) FROM es.event');
    expect(await at.users.change(ORDER, id, { networks: ['10.0.0.0/8'] })).toMatchObject({ version: 1 });
    await at.users.setState(ORDER, id, 'active');
    await at.grants.change(ORDER, grant, { actions: ['pull'] });
    await at.repositories.setVisibility(ORDER, ACME_WEB, 'private');
    expect(await at.database.sql('SELECT max(gpos) FROM es.event')).toEqual(before);
  });

  it('of another version than expected is refused, whatever it changes', async () => {
    const [id, ofGroup] = [await user(), await group()];
    const grant = await allow({ kind: 'principal', id });
    const role = (await at.roles.define(ORDER, 'acme', `role${++people}`, ['pull'])).id;
    const token = (await at.credentials.issue(ORDER, id, 'pat', 'laptop')).id;
    const late = { ...ORDER, expected: 7 };
    const outcomes = await Promise.all([
      at.users.change(late, id, { admin: true }), at.users.setPassword(late, id, 'another long one'), at.users.setState(late, id, 'disabled'), at.organisations.change(late, 'acme', []),
      at.groups.rename(late, ofGroup, 'renamed'), at.groups.addMember(late, ofGroup, id), at.groups.removeMember(late, ofGroup, id), at.groups.delete(late, ofGroup),
      at.grants.change(late, grant, { tags: 'v*' }), at.grants.revoke(late, grant), at.roles.change(late, role, ['push']), at.roles.delete(late, role),
      at.credentials.revoke(late, id, token), at.repositories.setVisibility(late, ACME_WEB, 'public'),
    ].map(refusal));
    expect(new Set(outcomes)).toEqual(new Set(['wrong_version']));
  });

  it('of what there is not is refused', async () => {
    const nobody = '018f4e1a-7b3c-4d21-9c0e-000000000000';
    const outcomes = await Promise.all([
      at.users.change(ORDER, nobody, {}), at.users.setPassword(ORDER, nobody, PASSWORD), at.robots.setState(ORDER, nobody, 'revoked'), at.organisations.change(ORDER, 'nowhere', null),
      at.robots.create(ORDER, 'nowhere', 'ci'), at.credentials.issue(ORDER, nobody, 'pat', 'x'), at.credentials.revoke(ORDER, nobody, nobody), at.groups.addMember(ORDER, nobody, nobody),
      at.groups.delete(ORDER, nobody), at.grants.revoke(ORDER, nobody), at.grants.change(ORDER, nobody, {}), allow({ kind: 'principal', id: nobody }), allow({ kind: 'group', id: nobody }),
      allow({ kind: 'everybody' }, { organisation: 'nowhere' }), allow({ kind: 'everybody' }, { effect: 'deny', actions: null, role: nobody }), at.roles.delete(ORDER, nobody),
      at.repositories.setVisibility(ORDER, parseRepositoryName('acme/nothing'), 'public'),
    ].map(refusal));
    expect(new Set(outcomes)).toEqual(new Set(['unknown']));
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a login with +', () => at.users.create(ORDER, { login: 'acme+ci' })], ['a login with a colon', () => at.users.create(ORDER, { login: 'a:b' })], ['a short password', () => at.users.create(ORDER, { login: 'shorty', password: 'short' })],
    ['a network that is none', () => at.users.create(ORDER, { login: 'elsewhere', networks: ['10.0.0.0/33'] })], ['an organisation of two segments', () => at.organisations.create(ORDER, 'a/b')],
    ['a glob that matches nothing', () => allow({ kind: 'everybody' }, { repositories: 'Acme/**' })], ['an action that is none', () => allow({ kind: 'everybody' }, { actions: ['fly'] })], ['no action', () => allow({ kind: 'everybody' }, { actions: [] })],
    ['an action twice', () => allow({ kind: 'everybody' }, { actions: ['pull', 'pull'] })], ['a role that is none', () => allow({ kind: 'everybody' }, { effect: 'deny', actions: null, role: 'king' })], ['everybody who pushes', () => allow({ kind: 'everybody' }, { actions: ['push'] })],
    ['everybody with a role', () => allow({ kind: 'everybody' }, { actions: null, role: 'owner' })], ['a role of a built-in name', () => at.roles.define(ORDER, 'acme', 'owner', ['pull'])], ['a line break in a description', () => at.robots.create(ORDER, 'acme', 'x', { description: 'a\nb' })],
  ])('that makes no sense is refused: %s', async (_, work) => expect(await refusal((async () => work())())).toBe('invalid'));

  it('with actions and a role, or with neither, is no grant', async () => {
    expect(await refusal(allow({ kind: 'principal', id: await user() }, { role: 'reader' }))).toBe('actions');
    expect(await refusal(allow({ kind: 'principal', id: await user() }, { actions: null }))).toBe('actions');
  });
});

describe('repeating a request under its idempotency key', () => {
  const order = (key: string, fingerprint = 'f') => ({ ...ORDER, idempotency: { actor: 'root', key, fingerprint } });

  it('makes one thing, and answers the same', async () => {
    const first = await at.groups.create(order('k1'), 'acme', 'once');
    expect(await at.groups.create(order('k1'), 'acme', 'once')).toEqual({ ...first, repeated: true });
  });

  it('at the same moment makes one thing too', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => at.robots.create(order('k2'), 'acme', 'at-once')));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect(all.filter(({ repeated }) => !repeated)).toHaveLength(1);
  });

  it('gives no secret a second time', async () => {
    const id = await user();
    const first = await at.credentials.issue(order('k3'), id, 'pat', 'laptop');
    expect(first.secret).toMatch(/^wbl_pat_/);
    expect(await at.credentials.issue(order('k3'), id, 'pat', 'laptop')).toEqual({ id: first.id, version: 1, repeated: true });
    expect(await at.credentials.list(id)).toHaveLength(1);
  });

  it('is refused where it is another request, and not taken for that of somebody else', async () => {
    await at.groups.create(order('k4'), 'acme', 'mine');
    expect(await refusal(at.groups.create(order('k4', 'another'), 'acme', 'other'))).toBe('key_reused');
    expect(await refusal(at.groups.create({ ...ORDER, idempotency: { actor: 'alice', key: 'k4', fingerprint: 'f' } }, 'acme', 'other'))).toBe('done');
  });

  it('after one that was refused is carried out', async () => {
    expect(await refusal(at.groups.create(order('k5'), 'nowhere', 'later'))).toBe('unknown');
    expect(await refusal(at.groups.create(order('k5'), 'acme', 'later'))).toBe('done');
  });
});

describe('two at the same moment', () => {
  it('with the same If-Match: one wins', async () => {
    const id = await allow({ kind: 'principal', id: await user() });
    const outcomes = await Promise.all(['v1*', 'v2*', 'v3*', 'v4*'].map((tags) => refusal(at.grants.change({ ...ORDER, expected: 1 }, id, { tags }))));
    expect(outcomes.toSorted()).toEqual(['done', 'wrong_version', 'wrong_version', 'wrong_version']);
    expect(await at.grants.get(id)).toMatchObject({ version: 2 });
  });

  it('with the same login: one gets it', async () => {
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => refusal(at.users.create(ORDER, { login: 'highlander' }))));
    expect(outcomes.toSorted()).toEqual(['done', 'exists', 'exists', 'exists', 'exists', 'exists']);
  });

  it('who are the last two admins: one stays, however they try', async () => {
    const own = await accessFixture();
    try {
      const admins = await Promise.all(['a', 'b'].map((login) => own.users.create(ORDER, { login, admin: true })));
      const [a = '', b = ''] = admins.map(({ id }) => id);
      for (let round = 0; round < 20; round++) {
        const outcomes = await Promise.all([refusal(own.users.setState(ORDER, a, 'disabled')), refusal(own.users.change(ORDER, b, { admin: false }))]);
        expect(outcomes.toSorted()).toEqual(['done', 'last_admin']);
        await own.users.setState(ORDER, a, 'active');
        await own.users.change(ORDER, b, { admin: true });
      }
      await own.users.setState(ORDER, a, 'disabled');
      expect(await refusal(own.users.setState(ORDER, b, 'disabled'))).toBe('last_admin');
      expect(await refusal(own.users.change(ORDER, b, { admin: false }))).toBe('last_admin');
      expect(await own.users.get(b)).toMatchObject({ admin: true, state: 'active' });
    } finally {
      await own.close();
    }
  });

  it('a robot gets two live secrets, not three; one that is revoked makes room', async () => {
    const id = await robot();
    const outcomes = await Promise.all(Array.from({ length: 5 }, (_, n) => refusal(at.credentials.issue(ORDER, id, 'robot', `s${n}`))));
    expect(outcomes.toSorted()).toEqual(['done', 'done', 'too_many', 'too_many', 'too_many']);
    const [one] = await at.credentials.list(id);
    await at.credentials.revoke(ORDER, id, one?.id ?? '');
    expect(await refusal(at.credentials.issue(ORDER, id, 'robot', 'next'))).toBe('done');
  });

  it('a secret that has expired makes room as well', async () => {
    const id = await robot();
    for (const name of ['old', 'older']) await at.credentials.issue(ORDER, id, 'robot', name, new Date(Date.now() - 1000));
    expect(await refusal(at.credentials.issue(ORDER, id, 'robot', 'new'))).toBe('done');
  });

  it('disabling and issuing: no secret is issued to who is disabled', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await robot();
      const [disabled, issued] = await Promise.all([refusal(at.robots.setState(ORDER, id, 'disabled')), refusal(at.credentials.issue(ORDER, id, 'robot', 's'))]);
      expect(disabled).toBe('done');
      const order = await at.database.sql<{ type: string }>(`SELECT type FROM es.event WHERE data ->> 'principal' = $1 AND type <> 'RobotCreated' ORDER BY gpos`, [id]);
      expect(order.map(({ type }) => type)).toEqual(issued === 'done' ? ['CredentialIssued', 'RobotDisabled'] : ['RobotDisabled']);
    }
  });

  it('joining a group and denying it something: the member is told in either order', async () => {
    for (let round = 0; round < 10; round++) {
      const [id, of] = [await user(), await group()];
      await Promise.all([at.groups.addMember(ORDER, of, id), allow({ kind: 'group', id: of }, { effect: 'deny' })]);
      expect(await epoch(id)).toBe(1);
    }
  });
});

describe('an epoch', () => {
  it('rises with what takes something from a user, and with nothing else', async () => {
    const id = await user();
    const rises: [string, () => Promise<unknown>, number][] = [
      ['to be granted something', () => allow({ kind: 'principal', id }), 0], ['to become admin', () => at.users.change(ORDER, id, { admin: true }), 0], ['to be no admin any more', () => at.users.change(ORDER, id, { admin: false }), 1],
      ['other addresses', () => at.users.change(ORDER, id, { networks: ['10.0.0.0/8'] }), 2], ['an end', () => at.users.change(ORDER, id, { until: new Date('2099-01-01') }), 3], ['another password', () => at.users.setPassword(ORDER, id, 'another long one'), 4],
      ['a new personal token', () => at.credentials.issue(ORDER, id, 'pat', 'x'), 4], ['to be disabled', () => at.users.setState(ORDER, id, 'disabled'), 5], ['to be enabled', () => at.users.setState(ORDER, id, 'active'), 5],
      ['to be denied something', () => allow({ kind: 'principal', id }, { effect: 'deny' }), 6],
    ];
    for (const [what, work, expected] of rises) {
      await work();
      expect([what, await epoch(id)]).toEqual([what, expected]);
    }
  });

  it('rises when a grant that allows is revoked or changed, and not when a deny is revoked', async () => {
    const id = await user();
    const [first, deny] = [await allow({ kind: 'principal', id }), await allow({ kind: 'principal', id }, { effect: 'deny' })];
    expect(await epoch(id)).toBe(1);
    await at.grants.change(ORDER, first, { until: new Date('2099-01-01') });
    expect(await epoch(id)).toBe(2);
    await at.grants.revoke(ORDER, deny);
    expect(await epoch(id)).toBe(2);
    await at.grants.revoke(ORDER, first);
    expect(await epoch(id)).toBe(3);
    expect((await lastEvent()).data).toMatchObject({ narrows: { principals: { [id]: 3 } }, before: { repositories: 'acme/**' } });
  });

  it('rises for each member of a group: whose grant is revoked, who leaves, whose group is deleted', async () => {
    const [a, b, of] = [await user(), await user(), await group()];
    for (const id of [a, b]) await at.groups.addMember(ORDER, of, id);
    const first = await allow({ kind: 'group', id: of });
    await allow({ kind: 'group', id: of });
    await at.grants.revoke(ORDER, first);
    expect([await epoch(a), await epoch(b)]).toEqual([1, 1]);
    await at.groups.removeMember(ORDER, of, b);
    expect([await epoch(a), await epoch(b)]).toEqual([1, 2]);
    await at.groups.delete(ORDER, of);
    expect([await epoch(a), await epoch(b)]).toEqual([2, 2]);
    expect(await at.grants.ofSubject(of, 10)).toEqual({ items: [], last: undefined });
  });

  it('rises when a role loses an action that it allowed by, or gains one that it denies by', async () => {
    const [a, b] = [await user(), await user()];
    const role = (await at.roles.define(ORDER, 'acme', `role${++people}`, ['pull', 'push'])).id;
    await allow({ kind: 'principal', id: a }, { actions: null, role });
    await allow({ kind: 'principal', id: b }, { actions: null, role, effect: 'deny' });
    const before = [await epoch(a), await epoch(b)];
    await at.roles.change(ORDER, role, ['pull']);
    expect([await epoch(a), await epoch(b)]).toEqual([(before[0] ?? 0) + 1, before[1]]);
    await at.roles.change(ORDER, role, ['pull', 'delete']);
    expect([await epoch(a), await epoch(b)]).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 1]);
    expect(await refusal(at.roles.delete(ORDER, role))).toBe('in_use');
  });

  it('of an organisation rises where everybody loses something, and the log says so', async () => {
    const start = await everybodys();
    await at.repositories.setVisibility(ORDER, ACME_WEB, 'public');
    expect(await everybodys()).toBe(start);
    await at.repositories.setVisibility(ORDER, ACME_WEB, 'private');
    expect((await lastEvent()).data).toEqual({ before: 'public', after: 'private', narrows: { organisations: { acme: start + 1 } } });
    await at.grants.revoke(ORDER, await allow({ kind: 'everybody' }));
    await at.organisations.change(ORDER, 'acme', ['10.0.0.0/8']);
    await at.organisations.change(ORDER, 'acme', null);
    await allow({ kind: 'principal', id: 'htpasswd:carol' }, { effect: 'deny' });
    expect(await everybodys()).toBe(start + 4);
    expect(await everybodys('umbrella')).toBe(0);
    await at.grants.revoke(ORDER, await allow({ kind: 'everybody' }, { organisation: null }));
    expect(await everybodys('*')).toBe(1);
  });
});

describe('a robot', () => {
  it('may have nothing in another organisation: no grant, no group', async () => {
    const id = await robot();
    expect(await refusal(allow({ kind: 'principal', id }, { organisation: 'umbrella', repositories: 'umbrella/**' }))).toBe('foreign_robot');
    expect(await refusal(allow({ kind: 'principal', id }, { organisation: null }))).toBe('foreign_robot');
    for (const of of [await group('umbrella'), await group(null)]) expect(await refusal(at.groups.addMember(ORDER, of, id))).toBe('foreign_robot');
  });

  it('cannot be made an admin, nor by way of what users can', async () => {
    const id = await robot();
    expect(await refusal(at.users.change(ORDER, id, { admin: true }))).toBe('unknown');
    expect(await refusal(at.users.setPassword(ORDER, id, PASSWORD))).toBe('unknown');
    const more = { admin: true, description: 'still a robot' };
    await at.robots.change(ORDER, id, more);
    expect(await at.database.sql('SELECT admin FROM access.principal WHERE principal_id = $1', [id])).toEqual([{ admin: false }]);
  });

  it('that is revoked stays so, and another one may have its login', async () => {
    const id = (await at.robots.create(ORDER, 'acme', 'phoenix')).id;
    await at.robots.setState(ORDER, id, 'revoked');
    const outcomes = await Promise.all([at.robots.setState(ORDER, id, 'active'), at.robots.change(ORDER, id, {}), at.credentials.issue(ORDER, id, 'robot', 'x')].map(refusal));
    expect(new Set(outcomes)).toEqual(new Set(['unknown']));
    const next = (await at.robots.create(ORDER, 'acme', 'phoenix')).id;
    expect(next).not.toBe(id);
    expect(await at.robots.find('acme+phoenix')).toMatchObject({ id: next });
  });
});

describe('a list', () => {
  it('goes on where the page before ended', async () => {
    const logins: string[] = [];
    for (let last: string | undefined = ''; last !== undefined;) {
      const page = await at.users.list(7, last);
      logins.push(...page.items.map(({ login }) => login));
      last = page.last;
    }
    expect(logins).toEqual(logins.toSorted());
    expect(logins).toHaveLength(new Set(logins).size);
    expect(await at.database.sql(`SELECT count(*)::int AS n FROM access.principal WHERE kind = 'user'`)).toEqual([{ n: logins.length }]);
    expect((await at.robots.list('acme', 1000)).items.every(({ organisation }) => organisation === 'acme')).toBe(true);
  });
});

it('a group of 10,000 members can be denied something, and deleted, in one statement each; it takes no further member', async () => {
  const own = await accessFixture();
  try {
    await own.organisations.create(ORDER, 'acme');
    const { id } = await own.groups.create(ORDER, 'acme', 'everyone');
    const late = (await own.users.create(ORDER, { login: 'late' })).id;
    await own.database.sql(`WITH made AS (INSERT INTO access.principal (principal_id, kind, login) SELECT gen_random_uuid(), 'user', 'u' || n FROM generate_series(1, 10000) n RETURNING principal_id)
      INSERT INTO access.member SELECT $1, principal_id FROM made`, [id]);
    expect(await refusal(own.groups.addMember(ORDER, id, late))).toBe('too_many');
    await own.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'group', id }, effect: 'deny', repositories: 'acme/**', actions: ['pull'] });
    await own.groups.delete(ORDER, id);
    expect(await own.database.sql('SELECT min(epoch) AS least, count(*)::int AS n FROM access.principal WHERE epoch > 0')).toEqual([{ least: 2, n: 10_000 }]);
    const [row] = await own.database.sql<{ bytes: number }>('SELECT max(octet_length(data::text)) AS bytes FROM es.event');
    // Kafka takes events of 8 MiB
    expect(row?.bytes).toBeLessThan(2_000_000);
  } finally {
    await own.close();
  }
});

it('a credential of somebody else cannot be revoked by its id', async () => {
  const [mine, theirs] = [await user(), await user()];
  const token = (await at.credentials.issue(ORDER, theirs, 'pat', 'laptop')).id;
  expect(await refusal(at.credentials.revoke(ORDER, mine, token))).toBe('unknown');
  expect((await at.credentials.list(theirs))[0]).toMatchObject({ revokedAt: null });
});

it('no event holds a secret, a hash of one, a login of a person, or a private key', async () => {
  const login = 'very-personal-name';
  const id = (await at.users.create(ORDER, { login, password: PASSWORD })).id;
  const { secret = '' } = await at.credentials.issue(ORDER, id, 'pat', 'laptop');
  await at.users.setPassword(ORDER, id, 'another long password');
  const [{ hash } = { hash: '' }] = await at.database.sql<{ hash: string }>('SELECT hash FROM access.password WHERE principal_id = $1', [id]);
  const [{ text } = { text: '' }] = await at.database.sql<{ text: string }>(`SELECT string_agg(s.name || e.data::text || e.meta::text, ' ') AS text FROM es.event e JOIN es.stream s USING (stream_id)`);
  expect(text).toContain(id);
  for (const leak of [PASSWORD, 'another long password', secret, 'wbl_', '$argon2', hash, hashSecret(secret).toString('hex'), hashSecret(secret).toString('base64'), login]) expect(text).not.toContain(leak);
  expect(await at.database.sql('SELECT name, kind FROM es.actor WHERE ref = $1', [id])).toEqual([{ name: login, kind: 'user' }]);
});
