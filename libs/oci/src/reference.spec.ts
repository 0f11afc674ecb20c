import { isDigestReference, isTag, parseReference, parseTag } from './reference.js';

const digest = `sha256:${'0'.repeat(64)}`;

describe('a reference', () => {
  it.each(['latest', 'v1.0', 'V1', '_', '_x', '1', 'a.b-c_d', 'sha256-0123', `sha256-${'0'.repeat(64)}`, 'x'.repeat(128)])('takes %s for a tag', (text) => {
    expect(parseTag(text)).toBe(text);
    expect(isDigestReference(parseReference(text))).toBe(false);
  });

  it.each(['', '.', '..', '.a', '-a', 'a/b', 'a b', 'a+b', 'a\0', 'a\n', 'ä', 'a%20', 'x'.repeat(129)])('takes %j for nothing: MANIFEST_INVALID 400', (text) => {
    expect(isTag(text)).toBe(false);
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID', status: 400 }));
  });

  it('takes a digest for a digest', () => {
    expect(isDigestReference(parseReference(digest))).toBe(true);
  });

  // G5: to fall back to a tag would let a tag look like a digest.
  it.each(['sha256:baddigeststring', ':', 'a:b', 'md5:0123', digest.toUpperCase(), `${digest}0`])('never takes %s for a tag: DIGEST_INVALID 400', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID', status: 400 }));
  });
});
