import fc from 'fast-check';
import { isRepositoryGlob, isTagGlob, matchesGlob } from './glob.js';

describe('a glob', () => {
  it('never crosses a slash unless it says so', () => {
    const segment = fc.stringMatching(/^[a-z0-9]{1,4}$/);
    const single = fc.array(fc.oneof(fc.constant('*'), segment), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('').replaceAll(/\*+/g, '*'));
    fc.assert(fc.property(single, fc.array(segment, { minLength: 2, maxLength: 4 }), (glob, segments) => !matchesGlob(glob, segments.join('/'))));
    fc.assert(fc.property(single, fc.array(segment, { minLength: 2, maxLength: 4 }), (glob, segments) => matchesGlob(`acme/${glob}`, `acme/${segments.join('/')}`) === false));
    fc.assert(fc.property(fc.array(segment, { minLength: 1, maxLength: 4 }), (segments) => matchesGlob('acme/**', `acme/${segments.join('/')}`)));
  });

  it('without a star is itself and nothing else', () => {
    const name = fc.stringMatching(/^[a-z0-9._/-]{1,20}$/);
    fc.assert(fc.property(name, name, (glob, text) => matchesGlob(glob, text) === (glob === text)));
  });

  it('does not take a prefix for a name', () => {
    expect(matchesGlob('acme/b', 'acme/bc')).toBe(false);
    expect(matchesGlob('acme/b/*', 'acme/bc')).toBe(false);
    expect(matchesGlob('acme/**', 'acme2/web')).toBe(false);
    expect(matchesGlob('acme/**', 'acme')).toBe(false);
    expect(matchesGlob('acme.web', 'acmexweb')).toBe(false);
  });

  it('answers at once, whatever strangers send', () => {
    const start = performance.now();
    for (const glob of ['*a'.repeat(100), '**a'.repeat(80), `${'*'.repeat(254)}b`]) matchesGlob(glob, `${'a'.repeat(254)}/b`);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('that could never match is refused where it is written', () => {
    expect(['acme/*', '**', 'acme/web', '*-x/**', 'a__b'].map(isRepositoryGlob)).not.toContain(false);
    expect(['', 'Acme/*', 'acme//x', 'acme/', '/acme', 'a b', 'a'.repeat(256), 'acme/[a-z]', '{a,b}', 'a?'].map(isRepositoryGlob)).not.toContain(true);
    expect(['v*', '*', 'latest', 'V1.*', '_x'].map(isTagGlob)).not.toContain(false);
    expect(['', '-x', '.x', 'a/b', 'a'.repeat(129), 'v1 v2', 'sha256:x'].map(isTagGlob)).not.toContain(true);
  });
});
