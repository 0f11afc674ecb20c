import { PASSWORD_COST, passwordFault, Passwords } from './password.js';
import { timeRatio } from './testing/times.js';
import { Turns } from './turns.js';

const CHEAP = { memory: 64, passes: 1, parallelism: 1 };

describe('a password', () => {
  const passwords = new Passwords(CHEAP);

  it('is right for its own hash alone', async () => {
    const stored = await passwords.hash('correct horse battery');
    expect(await passwords.verify('correct horse battery', stored)).toBe(true);
    for (const wrong of ['', 'correct horse', 'correct horse battery ', 'Correct horse battery', 'correct horse battery\0']) expect(await passwords.verify(wrong, stored)).toBe(false);
  });

  it('has another hash each time, which says how it was made', async () => {
    const [one, two] = [await new Passwords().hash('correct horse battery'), await new Passwords().hash('correct horse battery')];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(one).not.toBe(two);
    expect(PASSWORD_COST).toEqual({ memory: 19_456, passes: 2, parallelism: 1 });
  });

  it('is checked against what others made by the same standard', async () => {
    // test.c of the reference implementation, github.com/P-H-C/phc-winner-argon2
    expect(await passwords.verify('password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc')).toBe(true);
    expect(await passwords.verify('Password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc')).toBe(false);
  });

  it('is the same in the composed and the decomposed form of its characters', async () => {
    expect(await passwords.verify('p\u0061\u0308sswort ﬁne', await passwords.hash('p\u00e4sswort fine'))).toBe(true);
  });

  it('of nobody is wrong', async () => {
    expect(await passwords.verify('anything', undefined)).toBe(false);
  });

  it('of nobody takes the time of a wrong one', async () => {
    const dear = new Passwords({ memory: 2048, passes: 2, parallelism: 1 });
    const stored = await dear.hash('correct horse battery');
    const ratio = await timeRatio(() => dear.verify('x', undefined), () => dear.verify('x', stored));
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.4);
  });

  it('is hashed again when the cost rises, and not when it falls', async () => {
    const stored = await passwords.hash('correct horse battery');
    expect(passwords.isOutdated(stored)).toBe(false);
    expect(new Passwords({ ...CHEAP, memory: 128 }).isOutdated(stored)).toBe(true);
    expect(new Passwords({ ...CHEAP, passes: 2 }).isOutdated(stored)).toBe(true);
    expect(new Passwords({ ...CHEAP, memory: 32 }).isOutdated(stored)).toBe(false);
    expect(await new Passwords({ ...CHEAP, passes: 3 }).verify('correct horse battery', stored)).toBe(true);
  });

  it.each([
    '', 'plain', '$2b$10$abc', '$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHRzYWx0$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzYWx0$',
    '$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHRzYWx0$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', '$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzYWx0$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
    '$argon2id$v=19$m=64,t=999,p=1$c29tZXNhbHRzYWx0$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
  ])('with the stored hash %j is neither right nor wrong', async (stored) => {
    const answer = passwords.verify('anything', stored);
    await expect(answer).rejects.toThrow(/no PHC string of argon2id within the limits/);
    if (stored !== '') await expect(answer).rejects.not.toThrow(stored);
  });

  it('is one of a few that are hashed at a time, and beyond a queue is refused with 429', async () => {
    const few = new Passwords(CHEAP, new Turns(1, 2));
    const answers = await Promise.allSettled(Array.from({ length: 6 }, () => few.hash('correct horse battery')));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected', 'rejected']);
    expect(answers[5]).toMatchObject({ reason: { code: 'TOOMANYREQUESTS', headers: { 'Retry-After': '1' } } });
    expect(await few.hash('correct horse battery')).toMatch(/^\$argon2id/);
  });

  it('may be anything that is long enough', () => {
    expect(passwordFault('correct horse battery', 'alice')).toBeUndefined();
    expect(passwordFault('密码密码一二三四五六七八', 'alice')).toBeUndefined();
    expect(passwordFault('short', 'alice')).toMatch(/5 characters: expected at least 12/);
    expect(passwordFault('x1'.repeat(600), 'alice')).toMatch(/at most 1024/);
    expect(passwordFault('alicealice123', 'Alice')).toMatch(/login/);
    expect(passwordFault('aaaaaaaaaaaaaaaa', 'bob')).toMatch(/same few/);
  });
});

describe('turns', () => {
  it('are given in the order of asking, also after a failure', async () => {
    const turns = new Turns(2, 10);
    const began: number[] = [];
    let atOnce = 0;
    let most = 0;
    const work = (n: number) => async (): Promise<void> => {
      began.push(n);
      most = Math.max(most, ++atOnce);
      await new Promise((resolve) => { setImmediate(resolve); });
      atOnce -= 1;
      if (n % 3 === 0) throw new Error('of the work');
    };
    await Promise.allSettled(Array.from({ length: 9 }, (_, n) => turns.take(work(n))));
    expect(began).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(most).toBe(2);
    expect(await turns.take(() => Promise.resolve('again'))).toBe('again');
  });
});
