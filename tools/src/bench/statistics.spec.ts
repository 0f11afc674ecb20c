import { median, percentile, slope, spread } from './statistics.js';

describe('statistics of a bench run', () => {
  it('takes the middle value whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('takes the nearest rank for a percentile', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile([7], 99)).toBe(7);
  });

  it('tells the spread as a part of the median', () => {
    expect(spread([8, 10, 12])).toBeCloseTo(0.2);
    expect(spread([5])).toBe(0);
  });

  it('tells growth from outliers', () => {
    expect(slope([10, 12, 14, 16])).toBe(2);
    expect(slope([10, 12, 90, 16, 18])).toBe(2);
    expect(slope([200, 210, 199, 201, 210, 200])).toBeCloseTo(0, 0);
    expect(slope([5])).toBeNaN();
  });
});
