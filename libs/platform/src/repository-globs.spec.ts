import { parseRepositoryName } from '@waybill/oci';
import { repositoryMatcher } from './repository-globs.js';

describe('repositoryMatcher', () => {
  it.each([
    [['team/*'], 'team/app', true],
    [['team/*'], 'team/app/web', false],
    [['team/**'], 'team/app/web', true],
    [['**'], 'a', true],
    [['*'], 'a/b', false],
    [['mirror-*/**', 'x'], 'mirror-hub/library/alpine', true],
    [['a.b'], 'aab', false],
    [['a.b'], 'a.b', true],
    [[], 'a', false],
  ])('%j on %s: %s', (globs, name, matches) => {
    expect(repositoryMatcher(globs)(parseRepositoryName(name))).toBe(matches);
  });

  it('answers at once for a pattern full of stars', () => {
    const matches = repositoryMatcher([`${'*a'.repeat(20)}b`]);
    const name = parseRepositoryName('a'.repeat(200));
    const start = performance.now();
    matches(name);
    expect(performance.now() - start).toBeLessThan(50);
  });
});
