import { decide } from './decide.js';
import { explain } from './explain.js';
import type { Explanation } from './explain.js';
import type { Grant, Subject } from './grant.js';
import { grant, NOW, question } from './testing/grants.js';

const nameOf = (subject: Subject): string => (subject.kind === 'everybody' ? 'everybody' : `the ${subject.kind} ${subject.id}`);
const explained = (asked: Parameters<typeof question>[0], ...grants: Grant[]): Explanation => explain(question(asked), decide(question(asked), grants), 'alice', nameOf);

describe('explain', () => {
  it('names the grant that allows', () => {
    expect(explained({ tag: 'v1' }, grant({ tags: 'v*', until: new Date('2027-01-01'), from: ['10.0.0.0/8'] }))).toEqual({
      allowed: true, because: 'allow', grant: 'g1', near: [],
      answer: 'alice may pull the tag v1 of acme/web: grant g1: the principal alice is allowed pull on acme/** of the organisation acme for the tags v* until 2027-01-01T00:00:00.000Z from 10.0.0.0/8',
    });
  });

  it('names the deny, and the allow that it outweighs', () => {
    const answer = explained({}, grant(), grant({ id: 'd1', effect: 'deny', subject: { kind: 'everybody' }, organisation: null }));
    expect(answer).toMatchObject({ allowed: false, because: 'deny', grant: 'd1', answer: 'alice may not pull acme/web: grant d1: everybody is denied pull on acme/** of every organisation' });
    expect(answer.near).toEqual([{ grant: 'g1', why: expect.stringMatching(/it fits, and the deny outweighs it$/) }]);
  });

  it('says that nothing allows it, or that an admin needs nothing', () => {
    expect(explained({}).answer).toBe('alice may not pull acme/web: no grant allows it');
    expect(explained({ asker: { groups: [], admin: true } }).answer).toBe('alice may pull acme/web: an admin may do everything');
  });

  it.each<[string, Parameters<typeof question>[0], Partial<Grant>]>([
    ['it speaks of somebody else', {}, { subject: { kind: 'principal', id: 'bob' } }],
    ['other/web is of another organisation', { repository: 'other/web' }, { repositories: '**' }],
    ['acme/web is not one of acme/db', {}, { repositories: 'acme/db' }],
    ['latest is not one of v*', { tag: 'latest' }, { tags: 'v*' }],
    ['it is for some tags only, and delete without a tag is not', { action: 'delete' }, { actions: ['delete'], tags: 'v*' }],
    ['push is not one of its actions', { action: 'push' }, {}],
    ['nobody who did not log in can be allowed to push', { action: 'push' }, { actions: ['push'], subject: { kind: 'everybody' } }],
    ['it ended before 2026-11-21T12:00:00.000Z', {}, { until: NOW }],
    ['the address "10.0.0.1" is in none of its networks', {}, { from: ['192.0.2.0/24'] }],
  ])('of a grant that came near says: %s', (why, asked, parts) => {
    expect(explained(asked, grant(parts)).near).toEqual([{ grant: 'g1', why: expect.stringMatching(new RegExp(`; ${why.replaceAll('*', String.raw`\*`)}$`)) }]);
  });

  it('has the nearest first, and five of them', () => {
    const far = Array.from({ length: 8 }, (_, n) => grant({ id: `far${n}`, subject: { kind: 'principal', id: 'bob' }, repositories: 'x' }));
    const near = explained({ action: 'push' }, ...far, grant({ id: 'near' })).near.map((miss) => miss.grant);
    expect(near).toHaveLength(5);
    expect(near[0]).toBe('near');
  });
});
