import { hashSecret, matchesSecret, newSecret, parseSecret, SECRET_KINDS } from './secret.js';

describe('a secret', () => {
  it.each(SECRET_KINDS)('of the kind %s says so', (kind) => {
    const secret = newSecret(kind);
    expect(secret).toMatch(new RegExp(`^wbl_${kind}_[0-9A-Za-z]{38}$`));
    expect(parseSecret(secret)).toBe(kind);
  });

  it('is another one each time, of digits that are equally frequent', () => {
    const secrets = Array.from({ length: 4_000 }, () => newSecret('robot'));
    expect(new Set(secrets).size).toBe(secrets.length);
    const counts = new Map<string, number>();
    for (const digit of secrets.map((secret) => secret.slice(10, 42)).join('')) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    const expected = secrets.length * 32 / 62;
    expect(counts.size).toBe(62);
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(130);               // 61 degrees of freedom: exceeded by chance once in two million runs
  });

  it('with another character is none', () => {
    const secret = newSecret('pat');
    for (let at = 0; at < secret.length; at++) {
      const other = secret.slice(0, at) + (secret[at] === 'a' ? 'b' : 'a') + secret.slice(at + 1);
      expect(parseSecret(other)).toBeUndefined();
    }
    for (const text of ['', 'wbl_', `${secret}\n`, ` ${secret}`, secret.toUpperCase(), secret.replace('_pat_', '_robot_'), secret.slice(0, -1), `${secret}0`]) {
      expect(parseSecret(text)).toBeUndefined();
    }
  });

  it('is known by a form and a checksum that never change', () => {
    expect(parseSecret('wbl_pat_0123456789ABCDEFGHIJKLMNOPQRSTUV0GFW2U')).toBe('pat');
    expect(hashSecret('wbl_pat_0123456789ABCDEFGHIJKLMNOPQRSTUV0GFW2U').toString('hex')).toBe('9dbb5d81ef954d958e83604a23e6b69206c3aea9fa4dacc92139b62035c41efd');
  });

  it('is stored as a hash that fits it alone', () => {
    const secret = newSecret('robot');
    const hash = hashSecret(secret);
    expect(hash).toHaveLength(32);
    expect(hash.includes(secret)).toBe(false);
    expect(matchesSecret(secret, hash)).toBe(true);
    expect(matchesSecret(newSecret('robot'), hash)).toBe(false);
    expect(matchesSecret(secret, hash.subarray(0, 31))).toBe(false);
    expect(matchesSecret(secret, new Uint8Array())).toBe(false);
  });
});
