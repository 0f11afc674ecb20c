import { jest } from '@jest/globals';
import { FirstGrant } from './first-grant.js';
import { accessFixture, ORDER } from './testing/access-fixture.js';

jest.setTimeout(60_000);

describe('the first grant of a registry', () => {
  it('is known within three seconds, by one look in that time, and stays so when it is taken back', async () => {
    const at = await accessFixture();
    let looks = 0;
    const clock = { ms: 0 };
    const counted = new Proxy(at.database, { get: (target, name) => (name === 'sql' ? (...words: Parameters<typeof target.sql>) => { looks += 1; return target.sql(...words); } : Reflect.get(target, name)) });
    const first = new FirstGrant(counted, () => clock.ms);
    await at.organisations.create(ORDER, 'acme');
    expect(await Promise.all([first.wasGiven(), first.wasGiven()])).toEqual([false, false]);
    const { id } = await at.grants.give(ORDER, { organisation: 'acme', subject: { kind: 'principal', id: 'htpasswd:alice' }, effect: 'allow', repositories: '**', actions: ['pull'] });
    clock.ms = 2_999;
    expect([first.wasGiven(), looks]).toEqual([false, 1]);
    clock.ms = 3_000;
    expect(await first.wasGiven()).toBe(true);
    await at.grants.revoke(ORDER, id);
    clock.ms = 100_000;
    expect([first.wasGiven(), looks]).toEqual([true, 2]);
    expect(await new FirstGrant(at.database).wasGiven()).toBe(true);
    await at.close();
  });
});
