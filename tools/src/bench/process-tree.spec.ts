import { parseStat } from './process-tree.js';

describe('the process tree of a server', () => {
  it('reads a stat line whose command holds spaces and parentheses', () => {
    const fields = ['S', 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 100, 50, 30, 20, 20, 0];
    expect(parseStat(`42 (a) b (c)) ${fields.join(' ')}`)).toEqual({ pid: 42, parent: 7, own: 1.5, children: 0.5 });
  });
});
