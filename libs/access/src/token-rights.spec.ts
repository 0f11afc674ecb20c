import { parseTag } from '@waybill/oci';
import fc from 'fast-check';
import type { TagRule } from './claims.js';
import { repository } from './testing/test-issuer.js';
import { TokenRights } from './token-rights.js';

const pull = (name: string) => ({ type: 'repository' as const, name, actions: ['pull'] });

describe('the rights of a token', () => {
  it('are for the repository that they name, and for no other', () => {
    const rights = new TokenRights([repository('a/b', 'pull')], false);
    expect(rights.grants(pull('a/b'))).toBe(true);
    for (const name of ['a', 'a/bc', 'a/b/c', 'b', 'A/b', 'a/b:x', '']) expect(rights.grants(pull(name))).toBe(false);
  });

  it('need every action that is asked for', () => {
    const rights = new TokenRights([repository('a', 'push')], false);
    expect(rights.grants({ type: 'repository', name: 'a', actions: ['push'] })).toBe(true);
    expect(rights.grants({ type: 'repository', name: 'a', actions: ['pull', 'push'] })).toBe(false);
  });

  it('of one repository in two entries count together', () => {
    expect(new TokenRights([repository('a', 'pull'), repository('a', 'push')], false).grants({ type: 'repository', name: 'a', actions: ['pull', 'push'] })).toBe(true);
  });

  it('of a repository called catalog are not those of the catalog', () => {
    const rights = new TokenRights([repository('catalog', '*')], false);
    expect(rights.grants({ type: 'registry', name: 'catalog', actions: ['*'] })).toBe(false);
    expect(new TokenRights([{ type: 'registry', name: 'catalog', actions: ['*'] }], false).grants({ type: 'registry', name: 'catalog', actions: ['*'] })).toBe(true);
    expect(new TokenRights([{ type: 'registry', name: 'catalog', actions: ['pull'] }], false).grants({ type: 'registry', name: 'catalog', actions: ['*'] })).toBe(false);
  });

  it('with a star are all actions of that repository', () => {
    const rights = new TokenRights([repository('a', '*')], true);
    expect(rights.grants({ type: 'repository', name: 'a', actions: ['pull', 'push', 'delete'] })).toBe(true);
    expect(rights.grantsTag('a', 'overwrite', parseTag('v1'))).toBe(true);
    expect(rights.grants(pull('b'))).toBe(false);
  });

  it('to read from are told for a mount', () => {
    expect(new TokenRights([repository('a', 'pull'), repository('b', 'push'), repository('c', '*'), repository('host:5000/d', 'pull'), { type: 'registry', name: 'catalog', actions: ['*'] }], true).pulls).toEqual(['a', 'c']);
  });

  it('of another server let whoever pushes move tags; of ours they do not', () => {
    expect(new TokenRights([repository('a', 'push')], false).grantsTag('a', 'overwrite', parseTag('v1'))).toBe(true);
    expect(new TokenRights([repository('a', 'push')], true).grantsTag('a', 'overwrite', parseTag('v1'))).toBe(false);
    expect(new TokenRights([repository('a', 'push', 'overwrite')], true).grantsTag('a', 'overwrite', parseTag('v1'))).toBe(true);
  });
});

describe('rules about tags', () => {
  const rule = (effect: 'allow' | 'deny', tags: string, ...actions: TagRule['actions']): TagRule => ({ effect, tags, actions });
  const ruled = (...rules: TagRule[]) => new TokenRights([{ ...repository('a', 'pull', 'push'), rules }], true);

  it.each([
    ['no rule names the action: the entry decides', [rule('allow', 'x', 'delete')], 'push', 'v1', true],
    ['a rule allows the tag', [rule('allow', 'v*', 'push')], 'push', 'v1', true],
    ['no rule allows the tag', [rule('allow', 'v*', 'push')], 'push', 'latest', false],
    ['a deny outweighs an allow', [rule('allow', '*', 'push'), rule('deny', 'v*', 'push')], 'push', 'v1', false],
    ['a deny of others leaves the allow', [rule('allow', '*', 'push'), rule('deny', 'v*', 'push')], 'push', 'latest', true],
    ['a deny alone allows nothing', [rule('deny', 'v*', 'push')], 'push', 'latest', false],
    ['an allow that the entry does not have', [rule('allow', 'tmp-*', 'delete')], 'delete', 'tmp-1', true],
    ['a prefix is not the tag', [rule('allow', 'v1', 'push')], 'push', 'v10', false],
    ['latest is a tag like any other', [rule('allow', 'v*', 'overwrite')], 'overwrite', 'latest', false],
  ] as const)('%s', (_, rules, action, tag, expected) => {
    expect(ruled(...rules).grantsTag('a', action, parseTag(tag))).toBe(expected);
  });

  it('of another server mean nothing', () => {
    const rights = new TokenRights([{ ...repository('a', 'pull'), rules: [rule('allow', '*', 'push'), rule('deny', '*', 'pull')] }], false);
    expect([rights.grantsTag('a', 'push', parseTag('v1')), rights.grantsTag('a', 'pull', parseTag('v1'))]).toEqual([false, true]);
  });

  it('that deny never allow more', () => {
    const actions = fc.uniqueArray(fc.constantFrom('pull' as const, 'push' as const, 'overwrite' as const, 'delete' as const), { minLength: 1 });
    const tags = fc.constantFrom('*', 'v*', 'v1', 'l*t', '**', 'latest');
    const rules = fc.array(fc.record({ effect: fc.constantFrom('allow' as const, 'deny' as const), tags, actions }), { maxLength: 5 });
    fc.assert(fc.property(rules, tags, actions, fc.constantFrom('v1', 'v2', 'latest').map(parseTag), (some, glob, denied, tag) => {
      const before = ruled(...some);
      const after = ruled(...some, { effect: 'deny', tags: glob, actions: denied });
      for (const action of denied) if (after.grantsTag('a', action, tag)) expect(before.grantsTag('a', action, tag)).toBe(true);
    }));
  });
});
