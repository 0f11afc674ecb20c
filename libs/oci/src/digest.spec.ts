import { createHash } from 'node:crypto';
import { EMPTY_DIGESTS, digestAlgorithm, digestHex, isDigest, isDigestAlgorithm, parseDigest, parseDigestAlgorithm } from './digest.js';
import { OciError } from './errors.js';

const hex = (length: number) => '0123456789abcdef'.repeat(8).slice(0, length);

describe('a digest', () => {
  it.each([`sha256:${hex(64)}`, `sha512:${hex(128)}`])('accepts %s', (text) => {
    expect(parseDigest(text)).toBe(text);
    expect(isDigest(text)).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['a hex digit too few', `sha256:${hex(63)}`],
    ['a hex digit too many', `sha256:${hex(65)}`],
    ['sha256 of the length of sha512', `sha256:${hex(128)}`],
    ['sha512 of the length of sha256', `sha512:${hex(64)}`],
    ['sha512 a digit too few', `sha512:${hex(127)}`],
    ['upper-case hex', `sha256:${hex(64).toUpperCase()}`],
    ['one upper-case digit at the end', `sha256:${hex(63)}F`],
    ['an upper-case algorithm', `SHA256:${hex(64)}`],
    ['md5', `md5:${hex(32)}`],
    ['blake3', `blake3:${hex(64)}`],
    ['another algorithm of the same length', `sha224:${hex(64)}`],
    ['no colon', `sha256${hex(64)}`],
    ['a dash for the colon', `sha256-${hex(64)}`],
    ['a slash in the hex', `sha256:${hex(63)}/`],
    ['a line end', `sha256:${hex(63)}\n`],
    ['a line end after it', `sha256:${hex(64)}\n`],
    ['a space before it', ` sha256:${hex(63)}`],
    ['the conformance tool’s own', 'sha256:baddigeststring'],
  ])('refuses %s with DIGEST_INVALID 400', (_name, text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID', status: 400 }));
  });

  it('knows its algorithm and its hex digits', () => {
    expect(digestAlgorithm(parseDigest(`sha256:${hex(64)}`))).toBe('sha256');
    expect(digestAlgorithm(parseDigest(`sha512:${hex(128)}`))).toBe('sha512');
    expect(digestHex(parseDigest(`sha512:${hex(128)}`))).toBe(hex(128));
  });

  it('shows at most the beginning of a long input', () => {
    expect(() => parseDigest('x'.repeat(1_000_000))).toThrow(/^.{1,250}$/u);
  });

  it.each(['sha256', 'sha512'] as const)('of zero bytes in %s is what a hash makes of them', (algorithm) => {
    expect(digestHex(EMPTY_DIGESTS[algorithm])).toBe(createHash(algorithm).digest('hex'));
  });

  it.each(['sha384', 'SHA256', '', 'constructor', 'sha256:'])('has no algorithm %j', (text) => {
    expect(isDigestAlgorithm(text)).toBe(false);
    expect(() => parseDigestAlgorithm(text)).toThrow(OciError);
  });
});
