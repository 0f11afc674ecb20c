import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { parseRepositoryName } from '@waybill/oci';
import { AccessHistory } from './access-history.js';
import { decide } from './decide.js';
import type { Action } from './grant.js';
import { SqlGrantSource } from './sql-grant-source.js';
import { accessFixture, ORDER } from './testing/access-fixture.js';
import type { AccessFixture } from './testing/access-fixture.js';

jest.setTimeout(60_000);

const WEB = parseRepositoryName('acme/web');
let at: AccessFixture;
let history: AccessHistory;

beforeAll(async () => {
  at = await accessFixture();
  history = new AccessHistory(at.database);
  for (const name of ['acme', 'umbrella']) await at.organisations.create(ORDER, name);
  await at.repositories.create(ORDER, WEB);
});
afterAll(() => at.close());

/** The time of the database, apart from whatever is before and after it. */
async function now(): Promise<Date> {
  await delay(5);
  const [row] = await at.database.sql<{ now: Date }>('SELECT clock_timestamp() AS now');
  await delay(5);
  return row?.now ?? new Date(0);
}
async function could(moment: Date, principal: string | undefined, action: Action, address = '192.0.2.1'): Promise<boolean> {
  const { asker, grants } = await history.at(moment, principal, WEB);
  return asker !== undefined && decide({ asker, repository: WEB, action, now: moment, address }, grants).allowed;
}

it('answers as it was at each moment, whatever came later: grants, groups, roles, states', async () => {
  const start = await now();
  const { id } = await at.users.create(ORDER, { login: 'alice' });
  const group = (await at.groups.create(ORDER, 'acme', 'developers')).id;
  const role = (await at.roles.define(ORDER, 'acme', 'publisher', ['pull', 'push'])).id;
  const grant = (await at.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'group', id: group }, effect: 'allow', repositories: 'acme/**', role })).id;
  const steps: [string, () => Promise<unknown>, boolean][] = [
    ['not yet a member', () => Promise.resolve(), false], ['a member', () => at.groups.addMember(ORDER, group, id), true], ['the role lost it', () => at.roles.change(ORDER, role, ['pull']), false],
    ['another role', () => at.grants.change(ORDER, grant, { role: 'developer' }), true], ['disabled', () => at.users.setState(ORDER, id, 'disabled'), false], ['enabled', () => at.users.setState(ORDER, id, 'active'), true],
    ['from elsewhere only', () => at.organisations.change(ORDER, 'acme', ['10.0.0.0/8']), false], ['from anywhere', () => at.organisations.change(ORDER, 'acme', null), true],
    ['denied', () => at.grants.give(ORDER, { organisation: null, subject: { kind: 'principal', id }, effect: 'deny', repositories: '**', actions: ['push'] }), false],
    ['an admin', () => at.users.change(ORDER, id, { admin: true }), true], ['the group is gone, and an admin still', () => at.groups.delete(ORDER, group), true],
  ];
  const moments: [string, Date, boolean][] = [['nobody', start, false]];
  for (const [what, work, allowed] of steps) {
    await work();
    moments.push([what, await now(), allowed]);
  }
  for (const [what, moment, allowed] of moments) expect([what, await could(moment, id, 'push')]).toEqual([what, allowed]);
});

it('knows when a repository was public, and that its robots had nothing elsewhere', async () => {
  const before = await now();
  await at.repositories.setVisibility(ORDER, WEB, 'public');
  const open = await now();
  await at.repositories.setVisibility(ORDER, WEB, 'private');
  expect([await could(before, undefined, 'pull'), await could(open, undefined, 'pull'), await could(await now(), undefined, 'pull')]).toEqual([false, true, false]);
});

it('comes to what the tables say now, for everybody', async () => {
  const robot = (await at.robots.create(ORDER, 'umbrella', 'ci', { until: new Date('2099-01-01') })).id;
  const [group, other] = [(await at.groups.create(ORDER, 'umbrella', 'all')).id, (await at.users.create(ORDER, { login: 'bob' })).id];
  for (const member of [robot, other]) await at.groups.addMember(ORDER, group, member);
  const everything = { repositories: '**', tags: 'v*', actions: ['push', 'pull'] as const, until: new Date('2098-02-03T04:05:06.789Z'), networks: ['10.0.0.0/8'] };
  for (const organisation of ['acme', null]) for (const effect of ['allow', 'deny'] as const) await at.grants.give(ORDER, { organisation, subject: { kind: 'group', id: group }, effect, ...everything });
  await at.grants.give(ORDER, { organisation: 'umbrella', subject: { kind: 'principal', id: robot }, effect: 'allow', ...everything });
  await at.organisations.change(ORDER, 'acme', ['10.1.0.0/16']);
  await at.repositories.setVisibility(ORDER, WEB, 'public');
  const source = new SqlGrantSource(at.database);
  for (const principal of [{ id: robot, groups: [group] }, { id: other, groups: [group] }, undefined]) {
    const { grants, asker } = await history.at(await now(), principal?.id, WEB);
    expect(asker).toEqual({ groups: [], ...principal, admin: false });
    expect(grants.toSorted(byId)).toEqual((await source.grantsFor(principal, ['acme'], [WEB])).toSorted(byId));
    expect(grants.length).toBeGreaterThan(0);
  }
});

function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : 1;
}
