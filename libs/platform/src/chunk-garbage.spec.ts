import { randomBytes } from 'node:crypto';
import { freeChunk } from './chunk-garbage.js';

describe('a chunk that is freed', () => {
  it('gives its memory back at once', () => {
    const before = process.memoryUsage().arrayBuffers;
    const chunks = Array.from({ length: 64 }, () => Buffer.from(new Uint8Array(1024 * 1024).buffer));
    expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(48 * 1024 * 1024);
    for (const chunk of chunks) freeChunk(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(chunks.map(({ length }) => length)).toEqual(chunks.map(() => 0));
  });

  it('takes nothing from others that share its memory', () => {
    const whole = randomBytes(64);
    const [bytes, part] = [Buffer.from(whole.toString('hex'), 'hex'), whole.subarray(0, 32)];
    freeChunk(part);
    expect(part).toHaveLength(32);
    expect(whole.equals(bytes)).toBe(true);
  });
});
