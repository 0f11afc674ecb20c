import { KeyCipher } from './key-cipher.js';

const secret = 'a secret of at least 24 characters';
const text = Buffer.from('a private key');

describe('what is encrypted in the database', () => {
  it('opens with the same secret, under the same name, and looks different each time', () => {
    const sealed = new KeyCipher(secret).seal('kid', text);
    expect(new KeyCipher(secret).open('kid', sealed)).toEqual(text);
    expect(sealed.includes(text)).toBe(false);
    expect(new KeyCipher(secret).seal('kid', text)).not.toEqual(sealed);
  });

  it('opens with no other secret, for no other name, and not after any byte was changed or cut off', () => {
    const cipher = new KeyCipher(secret);
    const sealed = cipher.seal('kid', text);
    expect(new KeyCipher(`${secret}!`).open('kid', sealed)).toBeUndefined();
    expect(cipher.open('kid2', sealed)).toBeUndefined();
    for (let i = 0; i < sealed.length; i += 1) {
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      expect(cipher.open('kid', changed)).toBeUndefined();
      expect(cipher.open('kid', sealed.subarray(0, i))).toBeUndefined();
    }
  });
});
