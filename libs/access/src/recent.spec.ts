import { Recent } from './recent.js';

describe('recent entries', () => {
  it('are never more than the limit, whatever is put in', () => {
    const recent = new Recent<number>(100);
    for (let i = 0; i < 10_000; i++) {
      recent.set(`k${i}`, i);
      expect(recent.size).toBeLessThanOrEqual(100);
    }
    expect(recent.get('k9999')).toBe(9999);
    expect(recent.get('k0')).toBeUndefined();
  });

  it('stay while they are asked for, however many others come', () => {
    const recent = new Recent<string>(100);
    recent.set('mine', 'here');
    for (let i = 0; i < 10_000; i++) {
      recent.set(`stranger${i}`, 'x');
      expect(recent.get('mine')).toBe('here');
    }
  });

  it('are gone once deleted, from both halves', () => {
    const recent = new Recent<number>(4);
    for (const key of ['a', 'b', 'c']) recent.set(key, 1);
    expect(recent.get('a')).toBe(1);
    recent.delete('a');
    expect(recent.get('a')).toBeUndefined();
  });
});
