import { linesOf, show, tableOf } from './table.js';

describe('what people read', () => {
  it('is in columns under their titles', () => {
    expect(tableOf([{ login: 'olga', admin: false, until: null, networks: ['10.0.0.0/8', '192.0.2.1'] }, { login: 'acme+ci', admin: true, until: '2027-01-31T00:00:00.000Z', networks: null }], ['login', 'admin', 'until', 'networks'])).toEqual([
      'LOGIN    ADMIN  UNTIL                 NETWORKS',
      'olga     no     -                     10.0.0.0/8,192.0.2.1',
      'acme+ci  yes    2027-01-31T00:00:00Z  -',
    ]);
    expect(linesOf({ login: 'olga', createdAt: '2026-11-21T12:00:00.123Z' }, ['login', 'createdAt'])).toEqual(['login       olga', 'created at  2026-11-21T12:00:00Z']);
  });

  it.each([
    ['\u001b[2J\u001b]0;title\u0007', '\\u001b[2J\\u001b]0;title\\u0007'],
    ['one\ntwo\r', 'one\\u000atwo\\u000d'],
    ['\u009b31m', '\\u009b31m'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
  ])('does not steer the terminal: %j', (text, expected) => {
    expect(show(text)).toBe(expected);
    expect(show({ kind: text })).toBe(expected);
    expect(show([text])).toBe(expected);
  });
});
