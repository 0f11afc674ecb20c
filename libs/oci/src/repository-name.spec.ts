import { isRepositoryName, parseRepositoryName } from './repository-name.js';

describe('a repository name', () => {
  it.each(['a', '0', 'app', 'team/app', 'a/b/c/d', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', 'a.b_c__d-e/f', 'a/manifests', 'a/blobs', 'a/tags/list', 'v2', 'x'.repeat(255)])('accepts %s', (text) => {
    expect(parseRepositoryName(text)).toBe(text);
  });

  it.each([
    '', '/', 'a/', '/a', 'a//b', '.', '..', 'a/..', 'a/../b', './a', '_a', '_catalog', '-a', '.a', 'a_', 'a-', 'a.', 'a..b', 'a___b', 'a._b', 'a_.b', 'a-_b', 'a.-b', 'A', 'aB',
    'a b', 'a:b', 'a@b', 'a%2fb', 'a%2Fb', 'a%00', 'a\\b', 'a\0', 'a\n', 'a,b', 'ä', 'a/_b', 'a/b-', 'a~b', 'x'.repeat(256), `${'a/'.repeat(127)}ab`,
  ])('refuses %j with NAME_INVALID 400', (text) => {
    expect(isRepositoryName(text)).toBe(false);
    expect(() => parseRepositoryName(text)).toThrow(expect.objectContaining({ code: 'NAME_INVALID', status: 400 }));
  });

  it.each(['a', 'a-', 'a/', 'a__', '-', 'a.b/'])('refuses 10,000 characters of %j at once', (part) => {
    const text = part.repeat(10_000);
    const start = performance.now();
    expect(isRepositoryName(text)).toBe(false);
    expect(isRepositoryName(`${text.slice(0, 254)}!`)).toBe(false);
    expect(performance.now() - start).toBeLessThan(50);
  });
});
