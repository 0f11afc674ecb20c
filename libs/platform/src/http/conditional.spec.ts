import { namesDigest } from './conditional.js';

const digest = `sha256:${'a'.repeat(64)}`;
const other = `sha256:${'b'.repeat(64)}`;

describe('a list of entity tags', () => {
  it.each([`"${digest}"`, digest, `W/"${digest}"`, '*', `"${other}", "${digest}"`, `  "${digest}"  `])('names the digest: %s', (list) => {
    expect(namesDigest(list, digest)).toBe(true);
  });

  it.each([`"${other}"`, '', '""', `"${digest}x"`, digest.toUpperCase(), 'W/', `${digest}0`])('does not name it: %s', (list) => {
    expect(namesDigest(list, digest)).toBe(false);
  });
});
