import fc from 'fast-check';
import { accessOf } from './access-of.js';
import type { RequestedScope } from './access-of.js';
import type { AccessEntry } from './claims.js';
import { ANONYMOUS, decide } from './decide.js';
import type { Asker } from './decide.js';
import type { Grant } from './grant.js';
import { grant, NOW, question, someGrants, someQuestion, someTag } from './testing/grants.js';
import { tokenNetworks, UsableFrom } from './token-networks.js';

const { asker: alice } = question();
const circumstances = { now: NOW, address: '10.0.0.1' };
const repository = (name: string, ...actions: string[]): RequestedScope => ({ type: 'repository', name, actions });
const of = (scopes: RequestedScope[], grants: Grant[], asker: Asker = alice): readonly AccessEntry[] => accessOf(asker, scopes, grants, circumstances).access;

/** What claims.ts says that an entry means. */
function lets(entries: readonly AccessEntry[], name: string, action: string, tag: string | undefined): boolean {
  const entry = entries.find((one) => one.type === 'repository' && one.name === name);
  if (entry === undefined) return false;
  const rules = (entry.rules ?? []).filter(({ actions }) => (actions as string[]).includes(action));
  if (tag === undefined || rules.length === 0) return entry.actions.includes(action);
  const matching = rules.filter(({ tags }) => new RegExp(`^${tags.replaceAll('.', String.raw`\.`).replaceAll('*', '.*')}$`).test(tag));
  return matching.length > 0 && matching.every(({ effect }) => effect === 'allow');
}

describe('the access of a token', () => {
  it('is what was asked for and is granted', () => {
    expect(of([repository('acme/web', 'pull', 'push')], [grant()])).toEqual([{ type: 'repository', name: 'acme/web', actions: ['pull'] }]);
    expect(of([repository('acme/web', 'pull')], [grant({ actions: ['pull', 'push'] })])).toEqual([{ type: 'repository', name: 'acme/web', actions: ['pull'] }]);
  });

  it('has the scopes in their order, and says nothing of a repository that is forbidden or not there', () => {
    expect(of([repository('other/x', 'pull'), repository('acme/b', 'pull'), repository('acme/a', 'pull')], [grant()]).map(({ name }) => name)).toEqual(['acme/b', 'acme/a']);
  });

  it('has moving tags with pushing, where that is granted', () => {
    expect(of([repository('acme/web', 'pull', 'push')], [grant({ actions: ['pull', 'push', 'overwrite', 'delete'] })])[0]?.actions).toEqual(['pull', 'push', 'overwrite']);
  });

  it('has with * everything that is granted on the registry', () => {
    expect(of([repository('acme/web', '*')], [grant({ actions: ['pull', 'delete', 'manage', 'list'] })])[0]?.actions).toEqual(['pull', 'delete']);
  });

  it('never says *, nor an action that the registry does not know', () => {
    const root = { ...alice, admin: true };
    expect(of([repository('acme/web', '*', 'launch')], [], root)[0]?.actions).toEqual(['pull', 'push', 'overwrite', 'delete']);
    expect(of([repository('acme/web', 'launch')], [], root)).toEqual([]);
  });

  it.each(['Acme/web', 'acme/../web', 'acme//web', 'host:5000/acme/web', '', 'acme/*', '**'])('of %j, which is no repository, is nothing', (name) => {
    expect(of([repository(name, 'pull')], [grant({ organisation: null, repositories: '**' })], { ...alice, admin: true })).toEqual([]);
  });

  it('to the list of all repositories is for admins', () => {
    const scope = { type: 'registry', name: 'catalog', actions: ['*'] };
    expect(of([scope], [grant({ organisation: null, repositories: '**', actions: ['list', 'manage'] })])).toEqual([]);
    expect(of([scope], [], { ...alice, admin: true })).toEqual([scope]);
    expect(of([{ ...scope, name: 'other' }], [], { ...alice, admin: true })).toEqual([]);
  });

  it('to a repository called catalog is that to a repository', () => {
    const anywhere = grant({ organisation: null, repositories: '**' });
    expect(of([repository('catalog', 'pull', '*')], [anywhere])).toEqual([{ type: 'repository', name: 'catalog', actions: ['pull'] }]);
    expect(of([repository('catalog', '*')], [], { ...alice, admin: true })).toEqual([{ type: 'repository', name: 'catalog', actions: ['pull', 'push', 'overwrite', 'delete'] }]);
  });

  it('of whoever did not log in is reading what is public', () => {
    const scopes = [repository('acme/web', 'pull', 'push'), repository('acme/db', 'pull')];
    expect(of(scopes, [grant({ subject: { kind: 'everybody' }, repositories: 'acme/web', actions: ['pull', 'push'] }), grant()], ANONYMOUS)).toEqual([{ type: 'repository', name: 'acme/web', actions: ['pull'] }]);
  });

  it('has rules where tags matter', () => {
    const grants = [grant({ actions: ['pull', 'push'] }), grant({ actions: ['overwrite'], tags: 'dev-*' }), grant({ effect: 'deny', actions: ['push'], tags: 'v*' })];
    expect(of([repository('acme/web', 'pull', 'push')], grants)).toEqual([{
      type: 'repository', name: 'acme/web', actions: ['pull', 'push'],
      rules: [{ effect: 'allow', tags: '*', actions: ['push'] }, { effect: 'deny', tags: 'v*', actions: ['push'] }, { effect: 'allow', tags: 'dev-*', actions: ['overwrite'] }],
    }]);
  });

  it('ends with the first grant that it rests on', () => {
    const until = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1000);
    const scopes = [repository('acme/web', 'pull'), repository('acme/db', 'pull')];
    const grants = [grant({ repositories: 'acme/web', until: until(60) }), grant({ repositories: 'acme/db', until: until(30) }), grant({ actions: ['push'], until: until(5) })];
    expect(accessOf(alice, scopes, grants, circumstances).until).toEqual(until(30));
    expect(accessOf(alice, scopes, [grant()], circumstances).until).toBeUndefined();
  });

  it('counts where the grants do that it rests on', () => {
    const [inside, office] = [['10.0.0.0/8'], ['10.0.0.0/16', '192.0.2.0/24']];
    const conditions = (...grants: Grant[]): unknown => accessOf(alice, [repository('acme/web', 'pull', 'push')], grants, circumstances).conditions;
    expect(conditions(grant())).toBeUndefined();
    expect(conditions(grant({ from: inside }))).toEqual({ within: [inside], outside: [] });
    expect(conditions(grant({ from: inside }), grant({ actions: ['push'], from: office }))).toEqual({ within: [inside, office], outside: [] });
    // one of them is enough
    expect(conditions(grant({ from: inside }), grant({ from: office }))).toEqual({ within: [[...inside, ...office]], outside: [] });
    expect(conditions(grant({ from: inside }), grant())).toBeUndefined();
    // for other tags than v* the second is needed
    expect(conditions(grant({ tags: 'v*' }), grant({ tags: '*', from: inside }))).toEqual({ within: [inside], outside: [] });
    expect(conditions(grant({ tags: 'v*', from: inside }), grant())).toBeUndefined();
    // what is of no use here, or about something else
    expect(conditions(grant(), grant({ from: ['192.0.2.1'] }), grant({ actions: ['delete'], from: inside }))).toBeUndefined();
    expect(conditions(grant(), grant({ effect: 'deny', from: ['192.0.2.1'] }))).toEqual({ within: [], outside: ['192.0.2.1'] });
    expect(conditions(grant(), grant({ effect: 'deny', actions: ['push'], from: ['192.0.2.1'] }))).toBeUndefined();
  });

  it('says nowhere that it counts more than decide would say there, and counts where it was asked for', () => {
    const elsewhere = fc.constantFrom('10.0.0.1', '10.9.9.9', '192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2', '203.0.113.1');
    fc.assert(fc.property(someQuestion, someGrants, elsewhere, someTag, (asked, grants, address, tag) => {
      const { tag: _, ...withoutTag } = asked;
      const { access, conditions } = accessOf(asked.asker, [repository(asked.repository, '*')], grants, asked);
      const claim = conditions && tokenNetworks(conditions, asked.address);
      const from = claim && new UsableFrom(claim);
      if (asked.address !== '' && from?.has(asked.address) === false) return false;
      if (from?.has(address) === false) return true;
      return (['pull', 'push', 'overwrite', 'delete'] as const).every((action) => {
        if (action === 'overwrite' && tag === undefined) return true;
        return !lets(access, asked.repository, action, tag) || decide({ ...withoutTag, address, action, ...(tag === undefined ? {} : { tag }) }, grants).allowed;
      });
    }), { numRuns: 5000 });
  });

  it('fits into a header, whatever is asked for', () => {
    const scopes = Array.from({ length: 100 }, (_, n) => repository(`acme/${'x'.repeat(100)}${n}`, 'pull', 'push'));
    const access = of(scopes, [grant({ actions: ['pull', 'push', 'overwrite'] })]);
    expect(JSON.stringify(access).length).toBeLessThan(8_000);
    expect(access.map(({ name }) => name)).toEqual(scopes.slice(0, access.length).map(({ name }) => name));
    expect(access.length).toBeGreaterThan(30);
  });

  it('with more rules than fit has what no rule is about', () => {
    const many = Array.from({ length: 60 }, (_, n) => grant({ effect: 'deny', actions: ['overwrite'], tags: `v${n}` }));
    expect(of([repository('acme/web', 'pull', 'push')], [grant({ actions: ['pull', 'push', 'overwrite'] }), ...many])).toEqual([{ type: 'repository', name: 'acme/web', actions: ['pull', 'push'] }]);
  });

  it('has fifty rules and no more', () => {
    // one of them is that of all other tags
    const rules = (count: number): number => {
      const denies = Array.from({ length: count - 1 }, (_, n) => grant({ effect: 'deny', actions: ['overwrite'], tags: `v${n}` }));
      return of([repository('acme/web', 'push')], [grant({ actions: ['push', 'overwrite'] }), ...denies])[0]?.rules?.length ?? 0;
    };
    expect([rules(49), rules(50), rules(51)]).toEqual([49, 50, 0]);
  });

  it('has 7,000 characters and no more', () => {
    const around = JSON.stringify({ type: 'repository', name: 'acme/', actions: ['pull'] }).length;
    const named = (length: number, fill = 'x'): RequestedScope => repository(`acme/${fill.repeat(length - around)}`, 'pull');
    const full = Array.from({ length: 27 }, () => named(250));
    expect([249, 250, 251].map((last) => of([...full, named(last, 'y')], [grant()]).length)).toEqual([28, 28, 27]);
  });

  it('agrees with decide for every action and tag', () => {
    const askedFor = fc.constantFrom<string[][]>(['pull'], ['pull', 'push'], ['delete'], ['*']);
    fc.assert(fc.property(someQuestion, someGrants, askedFor, someTag, (asked, grants, actions, tag) => {
      const { tag: _, ...withoutTag } = asked;
      const { access } = accessOf(asked.asker, [repository(asked.repository, ...actions)], grants, asked);
      return (['pull', 'push', 'overwrite', 'delete'] as const).every((action) => {
        if (action === 'overwrite' && tag === undefined) return true;        // only tags are moved
        const isAsked = actions.includes('*') || actions.includes(action) || (action === 'overwrite' && actions.includes('push'));
        return lets(access, asked.repository, action, tag) === (isAsked && decide(tag === undefined ? { ...withoutTag, action } : { ...withoutTag, action, tag }, grants).allowed);
      });
    }), { numRuns: 5000 });
  });
});
