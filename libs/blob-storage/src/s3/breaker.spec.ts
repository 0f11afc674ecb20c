import { Breaker, S3Away } from './breaker.js';

describe('the breaker of S3', () => {
  let now: number;
  let breaker: Breaker;
  beforeEach(() => {
    now = 0;
    breaker = new Breaker(() => now);
  });
  const fail = (times: number, until: number): void => {
    for (let i = 0; i < times; i++) {
      breaker.unanswered();
      now += until / times;
    }
  };

  it('lets every call through while there are answers, and while S3 has been silent for a moment only', () => {
    fail(50, 2_000);
    expect(() => breaker.enter()).not.toThrow();
    breaker.answered();
    now += 60_000;
    fail(4, 5_000);
    expect(() => breaker.enter()).not.toThrow();
  });

  it('refuses calls to an S3 that has been silent for some seconds, but for one a second', () => {
    fail(5, 3_000);
    expect(() => breaker.enter()).not.toThrow();
    expect(() => breaker.enter()).toThrow(S3Away);
    now += 1_000;
    expect(() => breaker.enter()).not.toThrow();
    expect(() => breaker.enter()).toThrow(S3Away);
  });

  it('is closed by any answer', () => {
    fail(5, 3_000);
    breaker.enter();
    breaker.answered();
    for (let i = 0; i < 3; i++) expect(() => breaker.enter()).not.toThrow();
  });

  it('forgets what nobody has tried for a while', () => {
    fail(5, 3_000);
    now += 10_000;
    for (let i = 0; i < 3; i++) expect(() => breaker.enter()).not.toThrow();
  });
});
