import { isStorageKey, newStorageKey, parseStorageKey } from './storage-key.js';

describe('storage keys', () => {
  it('ascend as text within a process and never repeat, many in one millisecond included', () => {
    const keys = Array.from({ length: 20_000 }, newStorageKey);
    expect([...keys].sort()).toEqual(keys);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('ascend also when the clock steps back', () => {
    const before = newStorageKey();
    const clock = Date.now;
    Date.now = () => clock() - 3_600_000;
    try {
      expect(newStorageKey() > before).toBe(true);
    } finally {
      Date.now = clock;
    }
  });

  it('carry the time of their making in the first 48 bits', () => {
    const milliseconds = Number.parseInt(newStorageKey().replaceAll('-', '').slice(0, 12), 16);
    expect(Math.abs(milliseconds - Date.now())).toBeLessThan(10_000);
  });

  it('are read back unchanged', () => {
    const key = newStorageKey();
    expect(parseStorageKey(key)).toBe(key);
  });

  it.each(['', '..', '../../etc/passwd', '0195C0DE-0000-7000-8000-000000000000', '0195c0de-0000-4000-8000-000000000000', `${newStorageKey()}\n`, ` ${newStorageKey()}`])(
    'are told from other text: %j', text => {
      expect(isStorageKey(text)).toBe(false);
      expect(() => parseStorageKey(text)).toThrow(RangeError);
    });
});
