import { uuidv7 } from './uuidv7.js';

describe('uuidv7', () => {
  it('has the form of RFC 9562 version 7 and begins with the time', () => {
    const now = Date.now() + 1000;
    const id = uuidv7(now);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(now);
  });

  it('rises strictly: within a millisecond beyond its counter, across milliseconds, and when the clock steps back', () => {
    const now = Date.now() + 10_000;
    const ids = Array.from({ length: 10_000 }, () => uuidv7(now));
    ids.push(uuidv7(now + 1), uuidv7(now + 2), uuidv7(now - 60_000), uuidv7(now + 60_000));
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('keeps 62 random bits apart from time and counter', () => {
    const tails = new Set(Array.from({ length: 1000 }, () => uuidv7().slice(19)));
    expect(tails.size).toBe(1000);
  });
});
