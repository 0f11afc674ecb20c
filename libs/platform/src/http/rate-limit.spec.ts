import fc from 'fast-check';
import { RateLimit } from './rate-limit.js';

function granted(limit: RateLimit, key: string, times: readonly number[]): number {
  return times.filter((now) => limit.take(key, now) === 0).length;
}

describe('a rate limit', () => {
  it('lets a burst pass at once and then as many as the rate allows', () => {
    const limit = new RateLimit({ perSecond: 10, burst: 5 });
    expect(granted(limit, 'a', Array<number>(20).fill(0))).toBe(5);
    expect(granted(limit, 'a', Array<number>(20).fill(1000))).toBe(5);
    expect(granted(limit, 'a', Array.from({ length: 100 }, (_, i) => 2000 + i * 10))).toBe(14);
  });

  it('says when the next one may come, and that one passes', () => {
    const limit = new RateLimit({ perSecond: 2, burst: 1 });
    expect(limit.take('a', 0)).toBe(0);
    const wait = limit.take('a', 100);
    expect(wait).toBe(400);
    expect(limit.take('a', 100 + wait - 1)).toBe(1);
    expect(limit.take('a', 100 + wait)).toBe(0);
  });

  it('does not count what it refused', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 });
    limit.take('a', 0);
    for (let now = 1; now < 1000; now += 1) limit.take('a', now);
    expect(limit.take('a', 1000)).toBe(0);
  });

  it('counts each key by itself', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 });
    expect(limit.take('a', 0)).toBe(0);
    expect(limit.take('a', 0)).toBeGreaterThan(0);
    expect(limit.take('b', 0)).toBe(0);
  });

  it('does not grow with the keys that it has seen, and still limits those that it cannot tell apart', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 2 }, 100);
    let passed = 0;
    for (let i = 0; i < 10_000; i += 1) if (limit.take(`10.0.${i >> 8}.${i & 255}`, 0) === 0) passed += 1;
    expect(limit.size).toBeLessThanOrEqual(202);
    expect(passed).toBe(102);
    expect(limit.take('10.0.0.1', 0)).toBe(0);
  });

  it('forgets a key no earlier than its bucket is full again', () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 400 })), { maxLength: 200 }),
      (perSecond, burst, steps) => {
        const limit = new RateLimit({ perSecond, burst });
        const passed = new Map<string, number[]>();
        let now = 0;
        for (const [key, pause] of steps) {
          now += pause;
          if (limit.take(key, now) === 0) passed.set(key, [...(passed.get(key) ?? []), now]);
        }
        for (const times of passed.values()) {
          times.forEach((first, i) => times.slice(i).forEach((last, count) => {
            expect(count + 1).toBeLessThanOrEqual(burst + ((last - first) * perSecond) / 1000 + 1e-6);
          }));
        }
      },
    ));
  });
});
