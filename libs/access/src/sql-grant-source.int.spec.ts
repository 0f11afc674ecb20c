import { jest } from '@jest/globals';
import { parseRepositoryName } from '@waybill/oci';
import { decide } from './decide.js';
import type { Action } from './grant.js';
import { SqlGrantSource } from './sql-grant-source.js';
import { accessFixture, ORDER } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

let at: AccessFixture;
let source: SqlGrantSource;
let people = 0;

beforeAll(async () => {
  at = await accessFixture();
  source = new SqlGrantSource(at.database);
  for (const name of ['acme', 'umbrella', 'fenced']) await at.organisations.create(ORDER, name);
  for (const name of ['acme/web', 'acme/open', 'acme/also', 'umbrella/open']) await at.repositories.create(ORDER, parseRepositoryName(name));
  for (const name of ['acme/open', 'acme/also', 'umbrella/open']) await at.repositories.setVisibility(ORDER, parseRepositoryName(name), 'public');
});
afterAll(() => at.close());

async function user(): Promise<{ id: string; groups: string[] }> {
  return { id: (await at.users.create(ORDER, { login: `user${++people}` })).id, groups: [] };
}
async function may(principal: { id: string; groups: readonly string[] } | undefined, action: Action, name: string, address = '192.0.2.1'): Promise<boolean> {
  const repository = parseRepositoryName(name);
  const grants = await source.grantsFor(principal, [name.split('/')[0] ?? ''], [name]);
  return decide({ asker: { groups: [], ...principal, admin: false }, repository, action, now: new Date(), address }, grants).allowed;
}

describe('the grants of somebody', () => {
  it('are its own, those of its groups and those of everybody, in the organisations asked for', async () => {
    const [alice, bob] = [await user(), await user()];
    const group = (await at.groups.create(ORDER, 'acme', 'developers')).id;
    const give = async (subject: { kind: 'principal' | 'group'; id: string } | { kind: 'everybody' }, organisation: string | null, actions: Action[]): Promise<string> =>
      (await at.grants.give(ORDER, { organisation, subject, effect: 'allow', repositories: '**', actions })).id;
    const mine = [await give({ kind: 'principal', id: alice.id }, 'acme', ['push']), await give({ kind: 'group', id: group }, 'acme', ['delete']), await give({ kind: 'principal', id: alice.id }, null, ['manage'])];
    await give({ kind: 'principal', id: bob.id }, 'acme', ['push']);
    await give({ kind: 'principal', id: alice.id }, 'umbrella', ['push']);
    const all = await source.grantsFor({ id: alice.id, groups: [group] }, ['acme'], []);
    expect(all.map(({ id }) => id).toSorted()).toEqual(mine.toSorted());
    expect(all.find(({ id }) => id === mine[0])).toEqual({ id: mine[0], organisation: 'acme', subject: { kind: 'principal', id: alice.id }, effect: 'allow', repositories: '**', actions: ['push'] });
    expect(await source.grantsFor(undefined, ['acme'], [])).toEqual([]);
  });

  it('have everything that decides: tags, until, networks', async () => {
    const carol = await user();
    const until = new Date('2099-01-01T00:00:00.000Z');
    await at.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id: carol.id }, effect: 'deny', repositories: 'acme/*', tags: 'v*', actions: ['overwrite'], until, networks: ['10.0.0.0/8'] });
    expect(await source.grantsFor(carol, ['acme'], [])).toEqual([
      expect.objectContaining({ effect: 'deny', repositories: 'acme/*', tags: 'v*', actions: ['overwrite'], until, from: ['10.0.0.0/8'] }),
    ]);
  });

  it('have the actions of their role, as it is now', async () => {
    const dave = await user();
    const role = (await at.roles.define(ORDER, 'acme', 'publisher', ['pull', 'push'])).id;
    const subject = { kind: 'principal', id: dave.id } as const;
    await at.grants.give(ORDER, { organisation: 'acme', subject, effect: 'allow', repositories: 'acme/**', role });
    expect([await may(dave, 'push', 'acme/web'), await may(dave, 'delete', 'acme/web')]).toEqual([true, false]);
    await at.roles.change(ORDER, role, ['pull', 'delete']);
    expect([await may(dave, 'push', 'acme/web'), await may(dave, 'delete', 'acme/web')]).toEqual([false, true]);
    await at.grants.give(ORDER, { organisation: 'acme', subject, effect: 'allow', repositories: 'acme/**', role: 'developer' });
    expect([await may(dave, 'push', 'acme/web'), await may(dave, 'manage', 'acme/web')]).toEqual([true, false]);
  });
});

describe('a public repository', () => {
  it('may be pulled and listed by everybody, and nothing else', async () => {
    for (const [action, allowed] of [['pull', true], ['list', true], ['push', false], ['delete', false]] as const) expect([action, await may(undefined, action, 'acme/open')]).toEqual([action, allowed]);
    expect(await may(undefined, 'pull', 'acme/web')).toBe(false);
  });

  it('comes only where it is asked about, or with all of its organisation', async () => {
    const names = async (repositories?: string[]): Promise<string[]> => (await source.grantsFor(undefined, ['acme'], repositories)).map((grant) => grant.repositories).toSorted();
    expect(await names(['acme/open', 'acme/web', 'umbrella/open'])).toEqual(['acme/open']);
    expect(await names()).toEqual(['acme/also', 'acme/open']);
  });

  it('made private is private at once', async () => {
    await at.repositories.setVisibility(ORDER, parseRepositoryName('acme/also'), 'private');
    expect(await may(undefined, 'pull', 'acme/also')).toBe(false);
  });
});

describe('an organisation that may be used from some networks', () => {
  it('allows nothing elsewhere, whoever was granted it and however, and denies as before', async () => {
    const erin = await user();
    await at.repositories.create(ORDER, parseRepositoryName('fenced/open'));
    await at.repositories.setVisibility(ORDER, parseRepositoryName('fenced/open'), 'public');
    const subject = { kind: 'principal', id: erin.id } as const;
    await at.grants.give(ORDER, { organisation: 'fenced', subject, effect: 'allow', repositories: '**', actions: ['push'], networks: ['10.1.0.0/16', '192.0.2.0/24'] });
    await at.grants.give(ORDER, { organisation: null, subject, effect: 'allow', repositories: '**', actions: ['delete'] });
    await at.grants.give(ORDER, { organisation: 'fenced', subject, effect: 'deny', repositories: 'fenced/secret', actions: ['push'] });
    await at.organisations.change(ORDER, 'fenced', ['10.0.0.0/8']);
    const table: [string, Action, string, boolean][] = [
      ['10.1.2.3', 'push', 'fenced/app', true], ['10.2.0.1', 'push', 'fenced/app', false], ['192.0.2.1', 'push', 'fenced/app', false], ['10.1.2.3', 'push', 'fenced/secret', false],
      ['10.9.9.9', 'delete', 'fenced/app', true], ['192.0.2.1', 'delete', 'fenced/app', false], ['192.0.2.1', 'delete', 'acme/web', true], ['10.0.0.1', 'pull', 'fenced/open', true], ['192.0.2.1', 'pull', 'fenced/open', false],
    ];
    const denies = (await source.grantsFor(erin, ['fenced'])).filter(({ effect }) => effect === 'deny');
    expect(denies).toEqual([expect.not.objectContaining({ from: expect.anything() })]);
    for (const [address, action, name, allowed] of table) expect([address, action, name, await may(erin, action, name, address)]).toEqual([address, action, name, allowed]);
  });
});

it('a robot has nothing by a group of people in another organisation than its own', async () => {
  const robot = (await at.robots.create(ORDER, 'acme', 'ci')).id;
  const group = (await at.groups.create(ORDER, 'acme', 'mixed')).id;
  await at.groups.addMember(ORDER, group, robot);
  for (const organisation of ['umbrella', 'acme', null]) await at.grants.give(ORDER, { organisation, subject: { kind: 'group', id: group }, effect: 'allow', repositories: '**', actions: ['push'] });
  const self = { id: robot, groups: [group] };
  expect([await may(self, 'push', 'acme/web'), await may(self, 'push', 'umbrella/open')]).toEqual([true, false]);
  await at.grants.give(ORDER, { organisation: 'umbrella', subject: { kind: 'group', id: group }, effect: 'deny', repositories: '**', actions: ['pull'] });
  expect(await may(self, 'pull', 'umbrella/open')).toBe(false);
});

it('are found by index, however many others there are', async () => {
  await at.database.sql(`INSERT INTO access.grant (grant_id, tenant_id, subject_kind, subject_id, effect, repositories, actions)
    SELECT gen_random_uuid(), 1, 'principal', gen_random_uuid()::text, 'allow', '**', '{pull}' FROM generate_series(1, 20000)`);
  await at.database.sql('ANALYZE access.grant');
  const frank = await user();
  const plan = await at.database.sql<Record<string, string>>(
    `EXPLAIN SELECT * FROM access.grant g LEFT JOIN reg.tenant o ON o.tenant_id = g.tenant_id WHERE g.subject_id = ANY (ARRAY['', '${frank.id}']) AND (g.tenant_id IS NULL OR o.tenant_id IS NOT NULL)`);
  expect(JSON.stringify(plan)).toContain('grant_subject');
  const started = performance.now();
  for (let n = 0; n < 50; n++) await source.grantsFor(frank, ['acme'], ['acme/web']);
  expect((performance.now() - started) / 50).toBeLessThan(20);
  await at.database.sql(`DELETE FROM access.grant WHERE repositories = '**' AND actions = '{pull}' AND subject_kind = 'principal'`);
});
