import { tokenNetworks, UsableFrom } from './token-networks.js';

const many = (head: string, count = 100): string[] => Array.from({ length: count }, (_, n) => `${head}.${n}.0/24`);

describe('where a token may be used from', () => {
  it('is anywhere where no address matters', () => {
    expect(tokenNetworks({ within: [], outside: [] }, '10.0.0.1')).toBeUndefined();
  });

  it('is what all its conditions have in common, and nowhere that is denied', () => {
    expect(tokenNetworks({ within: [['10.0.0.0/8', '192.0.2.0/24'], ['10.1.0.0/16', '192.0.2.7']], outside: [] }, '10.1.0.1')).toEqual({ in: ['10.1.0.0/16', '192.0.2.7'] });
    expect(tokenNetworks({ within: [['10.0.0.0/8']], outside: ['10.9.0.0/16', '10.9.0.0/16'] }, '10.1.0.1')).toEqual({ in: ['10.0.0.0/8'], out: ['10.9.0.0/16'] });
    expect(tokenNetworks({ within: [], outside: ['10.9.0.0/16'] }, '10.1.0.1')).toEqual({ out: ['10.9.0.0/16'] });
  });

  it('is bounded: of many networks that of the caller is kept, and of too many denied ones the caller alone', () => {
    const cut = tokenNetworks({ within: [many('10.1')], outside: [] }, '10.1.99.5');
    expect(cut?.in?.[0]).toBe('10.1.99.0/24');
    expect(cut?.in?.length).toBeGreaterThan(20);
    expect(JSON.stringify(cut?.in).length).toBeLessThanOrEqual(500);
    expect(many('10.1')).toEqual(expect.arrayContaining([...(cut?.in ?? [])]));
    expect(tokenNetworks({ within: [['10.0.0.0/8']], outside: many('10.1') }, '10.2.0.1')).toEqual({ in: ['10.2.0.1'] });
    expect(tokenNetworks({ within: [], outside: many('10.1') }, '2001:db8::1')).toEqual({ in: ['2001:db8::1'] });
  });

  it('takes milliseconds of CPU to tell, however many conditions there are', () => {
    const within = Array.from({ length: 20 }, (_, n) => ['10.0.0.0/8', ...many(`10.${n}`, 99)]);
    const begun = process.cpuUsage();
    const { in: inside = [] } = tokenNetworks({ within, outside: [] }, '10.200.0.1') ?? {};
    const { user, system } = process.cpuUsage(begun);
    expect(user + system).toBeLessThan(500_000);
    expect(inside[0]).toBe('10.0.0.0/8');
  });

  it('is nowhere where nobody knows where the client is', () => {
    expect(tokenNetworks({ within: [['10.0.0.0/8']], outside: [] }, '')).toEqual({ in: [] });
    expect([new UsableFrom({ in: [] }).has('10.0.0.1'), new UsableFrom({ in: ['0.0.0.0/0'] }).has(''), new UsableFrom({ out: ['10.0.0.0/8'] }).has('')]).toEqual([false, false, false]);
  });

  it('counts for a client as it counts for networks: IPv4 in the form of IPv6 too', () => {
    const from = new UsableFrom({ in: ['10.0.0.0/8', '2001:db8::/32'], out: ['10.9.0.0/16'] });
    expect(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::7', '10.9.1.1', '::ffff:10.9.1.1', '11.0.0.1', '2001:db9::1'].map((address) => from.has(address))).toEqual([true, true, true, false, false, false, false]);
  });
});
