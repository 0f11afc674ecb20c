import { ByteCache } from './byte-cache.js';

describe('ByteCache', () => {
  it('never holds more bytes than its limit, and gives up what was unused for longest', () => {
    const cache = new ByteCache(8 * 1536);
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) cache.set(name, Buffer.alloc(1024));
    expect(cache.get('a')).toBeDefined();
    cache.set('i', Buffer.alloc(1024));
    expect(cache.get('a')).toBeDefined();
    expect(cache.get('b')).toBeUndefined();
    expect(cache.get('i')).toBeDefined();
  });

  it('does not let one entry push out most of the others', () => {
    const cache = new ByteCache(8000);
    cache.set('small', Buffer.alloc(1000));
    cache.set('large', Buffer.alloc(1001));
    expect(cache.get('large')).toBeUndefined();
    expect(cache.get('small')).toBeDefined();
  });

  it('holds nothing with a limit of 0', () => {
    const cache = new ByteCache(0);
    cache.set('a', Buffer.alloc(1));
    expect(cache.get('a')).toBeUndefined();
  });

  it('counts what an entry takes beside its bytes', () => {
    const cache = new ByteCache(64 * 1024);
    const names = Array.from({ length: 1000 }, (_, i) => String(i));
    for (const name of names) cache.set(name, Buffer.from('{}'));
    expect(names.filter((name) => cache.get(name) !== undefined).length).toBeLessThan(130);
  });

  it('keeps no more alive than the bytes of an entry', () => {
    const cache = new ByteCache(64 * 1024);
    const slab = Buffer.alloc(64 * 1024, 7);
    cache.set('piece', slab.subarray(100, 200));
    expect(cache.get('piece')).toEqual(Buffer.alloc(100, 7));
    expect(cache.get('piece')?.buffer.byteLength).toBe(100);
  });
});
