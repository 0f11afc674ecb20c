import { createHash } from 'node:crypto';
import { Attempts } from './attempts.js';
import { FailureCounts } from './failure-counts.js';

class Clock {
  ms = 1_000_000;
  readonly now = (): number => this.ms;
  wait(seconds: number): void { this.ms += seconds * 1000; }
}

type Outcome = 'right' | 'wrong' | number;

/** A registry whose accounts all have the secret 'right'. Answers with the seconds to wait where an attempt is refused. */
function registry(clock = new Clock()) {
  const attempts = new Attempts({ now: clock.now });
  const attempt = async (login: string, address: string, secret: string, isGuessable = true): Promise<Outcome> => {
    try {
      return (await attempts.run(login, address, isGuessable, () => Promise.resolve(secret === 'right' ? login : undefined))) === undefined ? 'wrong' : 'right';
    } catch (error) {
      if (error instanceof Error && 'status' in error && error.status === 429 && 'headers' in error) return Number((error.headers as Record<string, string>)['Retry-After']);
      throw error;
    }
  };
  const guess = async (times: number, login: string, address: (n: number) => string): Promise<number> => {
    let checked = 0;
    for (let n = 0; n < times; n++) if (await attempt(login, address(n), `guess ${n}`) === 'wrong') checked += 1;
    return checked;
  };
  return { clock, attempts, attempt, guess };
}

const attackers = (n: number): string => `198.51.100.${n % 20}`;

describe('guessing', () => {
  it('from one address is stopped after ten times, with the seconds until the next one, and then goes at its pace', async () => {
    const { clock, attempt, guess } = registry();
    expect(await guess(50, 'alice', () => '198.51.100.1')).toBe(10);
    expect(await attempt('alice', '198.51.100.1', 'again')).toBe(10);
    clock.wait(9);
    expect(await attempt('alice', '198.51.100.1', 'again')).toBe(1);
    clock.wait(1);
    expect(await attempt('alice', '198.51.100.1', 'again')).toBe('wrong');
    expect(await attempt('alice', '198.51.100.1', 'again')).toBe(10);
  });

  it('one secret at many accounts is stopped by the address', async () => {
    const { attempt, guess } = registry();
    let checked = 0;
    for (let n = 0; n < 200; n++) checked += await guess(1, `user${n}`, () => '198.51.100.1');
    expect(checked).toBe(50);
    expect(await attempt('somebody', '198.51.100.2', 'x')).toBe('wrong');
  });

  it('at one account from many addresses is stopped by the account', async () => {
    const { clock, guess } = registry();
    const first = await guess(4_000, 'alice', attackers);
    expect(first).toBeLessThanOrEqual(50);
    clock.wait(3600);
    let hour = 0;
    for (let second = 0; second < 3600; second += 5, clock.wait(5)) hour += await guess(20, 'alice', attackers);
    expect(hour).toBeLessThan(260);
  });

  it('from a network of IPv6 counts as from one address', async () => {
    const { guess } = registry();
    expect(await guess(50, 'alice', (n) => `2001:db8:0:1::${n.toString(16)}`)).toBe(10);
    expect(await guess(50, 'bob', (n) => (n % 2 === 0 ? '2001:DB8::1:0:0:0:1' : '2001:0db8:0000:0001::2'))).toBe(10);
    expect(await guess(50, 'carol', (n) => `2001:db8:0:${(n + 2).toString(16)}::1`)).toBeGreaterThan(40);
  });

  it('at once is no way around: an attempt counts while it is being checked', async () => {
    const { attempts } = registry();
    const answers = await Promise.allSettled(Array.from({ length: 40 }, () => attempts.run('alice', '198.51.100.1', true, async () => {
      await new Promise((resolve) => { setImmediate(resolve); });
      return undefined;
    })));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  });

  it('at accounts that do not exist is answered like any other', async () => {
    const { guess } = registry();
    const [known, unknown] = [await guess(100, 'alice', attackers), await guess(100, 'nobody', (n) => `203.0.113.${n % 20}`)];
    expect(known).toBe(unknown);
  });
});

describe('an owner', () => {
  it('is not slowed at a known address by whoever guesses elsewhere, however much', async () => {
    const { clock, attempt, guess } = registry();
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
    await guess(2_000, 'alice', attackers);
    await guess(2_000, 'alice', (n) => `10.${n >> 8}.${n & 255}.1`);
    for (let n = 0; n < 50; n++) expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
    clock.wait(86_400);
    await guess(2_000, 'alice', (n) => `10.${n >> 8}.${n & 255}.1`);
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
  });

  it('is not slowed at a known address by others there who fail at other accounts', async () => {
    const { attempt, guess } = registry();
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
    for (let n = 0; n < 300; n++) await guess(1, `user${n}`, () => '192.0.2.7');
    expect(await attempt('bob', '192.0.2.7', 'right')).toBeGreaterThan(0);
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
  });

  it('gets in from a new address while some machines go on guessing', async () => {
    const { clock, attempt, guess } = registry();
    for (let second = 0; second < 600; second += 2, clock.wait(2)) await guess(20, 'alice', attackers);
    expect(await attempt('alice', '192.0.2.99', 'right')).toBe('right');
  });

  it('who mistypes and then remembers begins anew', async () => {
    const { attempt, guess } = registry();
    expect(await guess(9, 'alice', () => '192.0.2.7')).toBe(9);
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
    expect(await guess(9, 'alice', () => '192.0.2.7')).toBe(9);
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
  });

  it('of a generated secret is not slowed by others behind the same address, and an old one does not stop them', async () => {
    const { attempt } = registry();
    for (let n = 0; n < 200; n++) await attempt(`robot${n % 10}`, '192.0.2.7', 'wrong', false);
    expect(await attempt('acme+ci', '192.0.2.7', 'right', false)).toBe('right');
    expect(await attempt('alice', '192.0.2.7', 'right')).toBe('right');
    expect(await attempt('robot1', '192.0.2.7', 'right', false)).toBeGreaterThan(0);
  });

  it('is not blamed for a database that does not answer', async () => {
    const { attempts, attempt } = registry();
    for (let n = 0; n < 30; n++) await expect(attempts.run('alice', '192.0.2.7', true, () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    expect(await attempt('alice', '192.0.2.7', 'wrong')).toBe('wrong');
  });
});

describe('counts of failures', () => {
  it('forget no name because of others, however many came, and each after its time', () => {
    const counts = new FailureCounts();
    const pace = { burst: 5, perSecond: 1 / 1000 };
    const name = (n: number): string => Buffer.from(`${n}`.padStart(16, '·')).toString('base64');
    const watched = Buffer.from('0123456789abcdef').toString('base64');
    counts.add(watched, 5, pace, 0);
    for (let n = 0; n < 70_000; n++) counts.add(name(n), 1, pace, 0);
    expect(counts.wait(watched, pace, 0)).toBeGreaterThan(0);
    expect(counts.wait(watched, pace, 86_400_000)).toBe(0);
  });

  it('take two names for each other only where both of their cells are shared', () => {
    const counts = new FailureCounts();
    const pace = { burst: 5, perSecond: 1 };
    const name = (n: number): string => createHash('sha256').update(`${n}`).digest('base64');
    for (let n = 0; n < 20_000; n++) counts.add(name(n), 1, pace, 0);
    const mistaken = Array.from({ length: 1_000 }, (_, n) => counts.level(name(-1 - n), pace, 0)).filter((level) => level > 0);
    expect(mistaken.length).toBeLessThan(120);         // 7 % by chance; 26 % with one row, 45 % where either were enough
  });
});
