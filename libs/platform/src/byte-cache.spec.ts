import { ByteCache } from './byte-cache.js';

describe('ByteCache', () => {
  it('never holds more bytes than its limit, and gives up what was unused for longest', () => {
    const cache = new ByteCache(80);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) cache.set(name, Buffer.alloc(10));
    expect(cache.get('a')).toBeDefined();
    cache.set('i', Buffer.alloc(10));
    expect(cache.get('a')).toBeDefined();
    expect(cache.get('b')).toBeUndefined();
    expect(cache.get('i')).toBeDefined();
  });

  it('does not let one entry push out most of the others', () => {
    const cache = new ByteCache(80);
    cache.set('small', Buffer.alloc(10));
    cache.set('large', Buffer.alloc(11));
    expect(cache.get('large')).toBeUndefined();
    expect(cache.get('small')).toBeDefined();
  });

  it('holds nothing with a limit of 0', () => {
    const cache = new ByteCache(0);
    cache.set('a', Buffer.alloc(1));
    expect(cache.get('a')).toBeUndefined();
  });
});
