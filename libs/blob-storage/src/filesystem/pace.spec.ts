import { Pace } from './pace.js';

describe('the pace of the disk', () => {
  it('keeps short calls on the loop until one was slow, and again after a while', () => {
    let now = 0;
    const pace = new Pace(() => now);
    expect(pace.measure(() => 7)).toBe(7);
    expect(pace.quick).toBe(true);
    pace.measure(() => { now += 6; });
    expect(pace.quick).toBe(false);
    now += 10_000;
    expect(pace.quick).toBe(true);
  });

  it('counts a slow call that failed', () => {
    let now = 0;
    const pace = new Pace(() => now);
    expect(() => pace.measure(() => { now += 100; throw new Error('no such file'); })).toThrow('no such file');
    expect(pace.quick).toBe(false);
  });
});
