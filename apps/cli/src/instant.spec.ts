import { readInstant } from './instant.js';

const NOW = new Date('2026-11-21T12:00:00Z');

describe('a moment', () => {
  it.each([
    ['2027-01-31', 'ahead', '2027-01-31T00:00:00.000Z'],
    ['2027-01-31T18:00+01:00', 'ahead', '2027-01-31T17:00:00.000Z'],
    ['2028-02-29', 'ahead', '2028-02-29T00:00:00.000Z'],
    ['90m', 'ahead', '2026-11-21T13:30:00.000Z'],
    ['30d', 'ahead', '2026-12-21T12:00:00.000Z'],
    ['2h', 'back', '2026-11-21T10:00:00.000Z'],
    ['2w', 'back', '2026-11-07T12:00:00.000Z'],
  ] as const)('%s, %s, is %s', (text, direction, expected) => {
    expect(readInstant(text, direction, NOW)).toBe(expected);
  });

  it.each(['', 'tomorrow', '30', '30y', '-1d', '2027-02-30', '2027-13-01', '2027-1-1', '01/31/2027', '2027-01-31 18:00', '1'])('%j is none', (text) => {
    expect(() => readInstant(text, 'ahead', NOW)).toThrow(/is no moment/);
  });

  // without an offset it would be read in whatever zone this machine is
  it('has an offset where it has a time', () => {
    expect(() => readInstant('2027-01-31T18:00', 'ahead', NOW)).toThrow(/is no moment/);
  });
});
