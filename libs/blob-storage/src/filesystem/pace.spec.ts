import { Pace } from './pace.js';

describe('the pace of the disk', () => {
  let now: number;
  let pace: Pace;
  const take = (milliseconds: number): void => pace.measure(() => { now += milliseconds; });

  beforeEach(() => {
    now = 1000;
    pace = new Pace(() => now);
  });

  it('gives back what the call gave', () => {
    expect(pace.measure(() => 7)).toBe(7);
  });

  it('takes short calls off the loop after three that waited for a cold disk, and back on it after a while', () => {
    take(9);
    take(9);
    expect(pace.quick).toBe(true);
    take(9);
    expect(pace.quick).toBe(false);
    now += 2000;
    expect(pace.quick).toBe(true);
    take(9);
    expect(pace.quick).toBe(true);
  });

  it('forgives single calls that waited for a core among quick ones', () => {
    for (let i = 0; i < 100; i++) take(i % 20 === 0 ? 50 : 0.01);
    expect(pace.quick).toBe(true);
  });

  it('counts slow calls that failed', () => {
    for (let i = 0; i < 3; i++) expect(() => pace.measure(() => { now += 100; throw new Error('no such file'); })).toThrow('no such file');
    expect(pace.quick).toBe(false);
  });
});
