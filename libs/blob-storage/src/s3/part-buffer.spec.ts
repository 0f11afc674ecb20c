import { PartBuffer } from './part-buffer.js';

describe('a part buffer', () => {
  it('takes what fits and says how much that was', () => {
    const buffer = new PartBuffer(10);
    expect(buffer.take(Buffer.from('abcdef'))).toBe(6);
    expect(buffer.take(Buffer.from('ghijkl'))).toBe(4);
    expect(buffer.full).toBe(true);
    expect(buffer.take(Buffer.from('m'))).toBe(0);
    expect(buffer.bytes.toString()).toBe('abcdefghij');
  });

  it('grows over many chunks without losing a byte', () => {
    const buffer = new PartBuffer(1_000_000);
    const chunk = Buffer.from(Array.from({ length: 777 }, (_, i) => i % 251));
    while (!buffer.full) buffer.take(chunk);
    expect(buffer.length).toBe(1_000_000);
    for (const at of [0, 70_000, 131_072, 999_999]) expect(buffer.bytes[at]).toBe((at % 777) % 251);
  });
});
