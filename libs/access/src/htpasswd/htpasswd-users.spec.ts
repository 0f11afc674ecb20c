import { hashSync } from 'bcrypt';
import { HtpasswdInvalid, parseHtpasswd } from './htpasswd-users.js';

const HASH = hashSync('secret', 4);
const as = (prefix: string): string => prefix + HASH.slice(4);

function faults(text: string): string {
  try {
    parseHtpasswd(text);
  } catch (error) {
    if (error instanceof HtpasswdInvalid) return error.message;
  }
  throw new Error('nothing was refused');
}

describe('an htpasswd file', () => {
  it('has a user for each line, whichever of the three prefixes its hash has', () => {
    const users = parseHtpasswd(`# people\nalice:${as('$2a$')}\r\n\nbob:${as('$2b$')}\n  \ncarol:${as('$2y$')} \n`);
    expect([...users]).toEqual(['alice', 'bob', 'carol'].map((login) => [login, { hash: as('$2b$'), cost: 4 }]));
  });

  it.each([
    ['$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00', /MD5 of Apache/], ['{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', /SHA-1/], ['{ssha}abcd', /salted SHA-1/],
    ['$6$abc$def', /SHA-crypt/], ['$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA', /argon2/], ['rqXexS6ZhobKA', /no hash that is known/], ['plain text', /no hash/], ['', /no hash/],
    ['$2b$10$tooshort', /cut off/], [as('$2x$'), /unknown version/], [HASH.replace('$04$', '$17$'), /cost of 17/], [HASH.replace('$04$', '$03$'), /cost of 3/],
  ])('refuses %j by its line and never repeats it', (hash, kind) => {
    const message = faults(`alice:${HASH}\nbob:${hash}\n`);
    expect(message).toMatch(/^line 2: /);
    expect(message).toMatch(kind);
    if (hash.length > 8) expect(message).not.toContain(hash.slice(-8));
  });

  it('refuses a line without a login, a login that stands there twice, and a file with nobody', () => {
    expect(faults(`:${HASH}`)).toMatch(/^line 1: expected login:hash/);
    expect(faults('alice')).toMatch(/^line 1: expected login:hash/);
    expect(faults(`alice:${HASH}\nalice:${HASH}`)).toMatch(/^line 2: a login that an earlier line has/);
    expect(faults('\n# nobody\n')).toMatch(/names no user/);
  });

  it('names the first faults and counts the others', () => {
    expect(faults('x\n'.repeat(30))).toMatch(/^line 1: .*line 5: [^;]*; and 25 more$/);
  });
});
