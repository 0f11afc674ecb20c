import { linkHeader } from './pagination.js';
import { Query, formatQuery } from './query.js';

describe('a query string', () => {
  it.each([
    ['a=1', '1'], ['a=', ''], ['a', ''], ['b=2&a=1', '1'], ['a=1&a=2', '1'], ['&&a=1&', '1'], ['a=x=y', 'x=y'], ['a=%41', 'A'], ['a=sha256%3Aff', 'sha256:ff'],
    ['a=x+json', 'x+json'], ['a=x%2Bjson', 'x+json'], ['a=%zz', '%zz'], ['a=%ff', '%ff'], ['a=%', '%'],
    ['', undefined], ['ab=1', undefined], ['b=a=1', undefined], ['A=1', undefined], ['b=1&aa', undefined],
  ])('%j has for a %j', (text, expected) => {
    expect(new Query(text).first('a')).toBe(expected);
  });

  it('gives all the different values, and none beyond the limit', () => {
    expect(new Query('t=b&t=a&t=&t=b').all('t', 4)).toEqual(['b', 'a']);
    expect(new Query('t=b&t=a&t=&t=b').all('t', 3)).toBeUndefined();
    expect(new Query('').all('t', 3)).toEqual([]);
  });

  it('is formatted with every value encoded and nothing for what is undefined', () => {
    expect(formatQuery({ n: 0, last: undefined, t: ['a/b', 'c&d=+ '] })).toBe('?n=0&t=a%2Fb&t=c%26d%3D%2B%20');
    expect(formatQuery({ last: undefined, t: [] })).toBe('');
  });
});

it('a Link names the next page', () => {
  expect(linkHeader('/v2/a/b/tags/list', { n: 10, last: 'v1>"' })).toBe('</v2/a/b/tags/list?n=10&last=v1%3E%22>; rel="next"');
});
