import fc from 'fast-check';
import { ANONYMOUS, decide } from './decide.js';
import type { Asker, Question } from './decide.js';
import type { Grant } from './grant.js';
import { grant, NOW, question, someGrant, someGrants, someQuestion } from './testing/grants.js';

type Asked = Parameters<typeof question>[0];
const allows = (asked: Asked, ...grants: Grant[]): boolean => decide(question(asked), grants).allowed;
const deny = (parts: Partial<Grant> = {}): Grant => grant({ id: 'd1', effect: 'deny', ...parts });
const everybody = { kind: 'everybody' } as const;
const bob: Asker = { id: 'bob', groups: [], admin: false };

describe('decide', () => {
  it.each<[string, boolean, Asked, Grant[]]>([
    ['what nobody allowed is forbidden', false, {}, []],
    ['an allow of the action lets', true, {}, [grant()]],
    ['an allow of another action does not', false, { action: 'push' }, [grant()]],
    ['push does not include moving a tag', false, { action: 'overwrite', tag: 'latest' }, [grant({ actions: ['pull', 'push'] })]],
    ['manage includes nothing else', false, { action: 'delete' }, [grant({ actions: ['manage'] })]],
    ['an allow of somebody else does not let', false, { asker: bob }, [grant()]],
    ['an allow of a group lets its members', true, {}, [grant({ subject: { kind: 'group', id: 'ops' } })]],
    ['an allow of a group lets nobody else', false, { asker: bob }, [grant({ subject: { kind: 'group', id: 'ops' } })]],
    ['a principal whose id is that of a group is not the group', false, { asker: { id: 'ops', groups: [], admin: false } }, [grant({ subject: { kind: 'group', id: 'ops' } })]],
    ['a group whose id is that of a principal is not the principal', false, { asker: { id: 'bob', groups: ['alice'], admin: false } }, [grant()]],
    ['an admin may do everything', true, { asker: { id: 'root', groups: [], admin: true }, action: 'delete', repository: 'other/x' }, [deny({ subject: everybody, organisation: null, repositories: '**', actions: ['delete'] })]],
    ['a deny outweighs an allow', false, {}, [grant(), deny()]],
    ['a deny outweighs an allow that is more specific', false, {}, [deny({ repositories: '**' }), grant({ repositories: 'acme/web' })]],
    ['a deny of a group outweighs an allow of its member', false, {}, [grant(), deny({ subject: { kind: 'group', id: 'ops' } })]],
    ['a deny of another action does not matter', true, {}, [grant(), deny({ actions: ['push'] })]],
    ['a deny of everybody is of those who logged in too', false, {}, [grant(), deny({ subject: everybody })]],
  ])('%s', (_promise, allowed, asked, grants) => {
    expect(allows(asked, ...grants)).toBe(allowed);
    expect(allows(asked, ...grants.toReversed())).toBe(allowed);
  });

  it.each<[string, boolean, string, Partial<Grant>]>([
    ['a grant of an organisation lets in its repositories', true, 'acme/web', {}],
    ['whatever its glob says, a grant speaks of no other organisation', false, 'other/web', { repositories: '**' }],
    ['nor of one whose name begins like its own', false, 'acme2/web', { repositories: '**' }],
    ['nor of one that has its name further inside', false, 'other/acme', { repositories: '**' }],
    ['a repository of one segment is of the organisation library', true, 'alpine', { organisation: 'library', repositories: '*' }],
    ['and of no organisation of its own name', false, 'acme', { repositories: '**' }],
    ['a grant of all organisations is of each', true, 'other/web', { organisation: null, repositories: '**' }],
    ['a star stays within its segment', false, 'acme/web/api', { repositories: 'acme/*' }],
    ['two stars do not', true, 'acme/web/api', { repositories: 'acme/**' }],
    ['a name is no prefix', false, 'acme/webby', { repositories: 'acme/web' }],
  ])('%s', (_promise, allowed, repository, parts) => {
    expect(allows({ repository }, grant(parts))).toBe(allowed);
  });

  it.each<[string, boolean, Asked, Grant[]]>([
    ['an allow of some tags lets pull these', true, { tag: 'v1' }, [grant({ tags: 'v*' })]],
    ['and no other', false, { tag: 'latest' }, [grant({ tags: 'v*' })]],
    ['and what they consist of, by digest', true, {}, [grant({ tags: 'v*' })]],
    ['an allow to push some tags lets push what they consist of', true, { action: 'push' }, [grant({ tags: 'v*', actions: ['push'] })]],
    ['an allow to delete some tags lets delete nothing by digest', false, { action: 'delete' }, [grant({ tags: 'tmp-*', actions: ['delete'] })]],
    ['a deny of some tags is of these', false, { tag: 'v1' }, [grant(), deny({ tags: 'v*' })]],
    ['and of no other', true, { tag: 'latest' }, [grant(), deny({ tags: 'v*' })]],
    ['who may not delete some tag deletes no manifest, which would take its tags along', false, { action: 'delete' }, [grant({ actions: ['delete'] }), deny({ tags: 'v*', actions: ['delete'] })]],
    ['who may not move some tag may create it', true, { action: 'push', tag: 'v1' }, [grant({ actions: ['push', 'overwrite'] }), deny({ tags: 'v*', actions: ['overwrite'] })]],
    ['but not move it', false, { action: 'overwrite', tag: 'v1' }, [grant({ actions: ['push', 'overwrite'] }), deny({ tags: 'v*', actions: ['overwrite'] })]],
    ['latest is a tag like another', false, { action: 'overwrite', tag: 'latest' }, [grant({ actions: ['push'] }), grant({ actions: ['overwrite'], tags: 'dev-*' })]],
  ])('%s', (_promise, allowed, asked, grants) => {
    expect(allows(asked, ...grants)).toBe(allowed);
  });

  it.each<[string, boolean, Asked, Partial<Grant>]>([
    ['a grant holds before its end', true, {}, { until: new Date(NOW.getTime() + 1) }],
    ['and not at it', false, {}, { until: NOW }],
    ['an allow from some networks lets from these', true, {}, { from: ['192.0.2.0/24', '10.0.0.0/8'] }],
    ['and from no other', false, { address: '11.0.0.1' }, { from: ['10.0.0.0/8'] }],
    ['an IPv4 address in the form of IPv6 is that address', true, { address: '::ffff:10.9.9.9' }, { from: ['10.0.0.0/8'] }],
    ['an address that is not known is in no network', false, { address: '' }, { from: ['0.0.0.0/0', '::/0'] }],
  ])('%s', (_promise, allowed, asked, parts) => {
    expect(allows(asked, grant(parts))).toBe(allowed);
  });

  it('a deny from some networks is of a client too whose address is not known', () => {
    expect(allows({ address: '' }, grant(), deny({ from: ['192.0.2.0/24'] }))).toBe(false);
    expect(allows({ address: '10.0.0.1' }, grant(), deny({ from: ['192.0.2.0/24'] }))).toBe(true);
  });

  it('a public repository is pulled and listed by everybody, and changed by nobody for that', () => {
    const everything = grant({ subject: everybody, actions: ['pull', 'push', 'overwrite', 'delete', 'list', 'manage', 'audit'] });
    const may = (asker: Asker): string[] => everything.actions.filter((action) => allows({ asker, action, tag: 'v1' }, everything));
    expect(may(ANONYMOUS)).toEqual(['pull', 'list']);
    expect(may(bob)).toEqual(['pull', 'list']);
  });

  it('what is denied to everybody is denied to whoever has a grant of their own, writes too', () => {
    for (const action of ['pull', 'push', 'overwrite', 'delete', 'list', 'manage', 'audit'] as const) {
      expect([action, allows({ action }, grant({ actions: [action] }), deny({ subject: everybody, actions: [action] }))]).toEqual([action, false]);
    }
  });

  it('names the five allows that came nearest, the nearest first', () => {
    const far = Array.from({ length: 6 }, (_, i) => grant({ id: `far-${i}`, subject: { kind: 'principal', id: 'zoe' }, repositories: 'acme/db', actions: ['list'] }));
    const near = grant({ id: 'near', actions: ['push'] });
    expect(decide(question(), [...far, near, deny({ actions: ['push'] })]).near.map(({ grant: { id } }) => id)).toEqual(['near', 'far-0', 'far-1', 'far-2', 'far-3']);
  });

  it('whoever did not log in is not the principal of an empty id', () => {
    expect(allows({ asker: ANONYMOUS }, grant({ subject: { kind: 'principal', id: '' } }))).toBe(false);
  });
});

describe('properties of decide', () => {
  const may = (asked: Question, grants: readonly Grant[]): boolean => decide(asked, grants).allowed;
  const runs = { numRuns: 3000 };

  it('one more deny never allows more', () => {
    fc.assert(fc.property(someQuestion, someGrants, someGrant, (asked, grants, more) => !may(asked, [...grants, { ...more, effect: 'deny' }]) || may(asked, grants)), runs);
  });

  it('one more allow never allows less', () => {
    fc.assert(fc.property(someQuestion, someGrants, someGrant, (asked, grants, more) => may(asked, [...grants, { ...more, effect: 'allow' }]) || !may(asked, grants)), runs);
  });

  it('the order of grants does not matter', () => {
    fc.assert(fc.property(someQuestion, someGrants, (asked, grants) => may(asked, grants) === may(asked, grants.toReversed())), runs);
  });

  it('who is a member of fewer groups is allowed no more by allows alone', () => {
    fc.assert(fc.property(someQuestion, someGrants, (asked, grants) => {
      const lets = grants.filter(({ effect }) => effect === 'allow');
      return !may({ ...asked, asker: { ...asked.asker, groups: [] } }, lets) || may(asked, lets);
    }), runs);
  });

  it('a grant that decides is about the question, and one that came near says what it lacks', () => {
    fc.assert(fc.property(someQuestion, someGrants, (asked, grants) => {
      const { allowed, because, grant: deciding, near } = decide(asked, grants);
      if (allowed !== (because === 'allow')) return false;
      if (deciding !== undefined && decide(asked, [deciding]).because !== because) return false;
      return near.every((miss) => (miss.obstacles.length === 0) === may(asked, [miss.grant]));
    }), runs);
  });
});
