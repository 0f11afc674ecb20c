import { BodyMemory, bodyBudget, processMemory } from './body-memory.js';

const MiB = 1024 * 1024;

describe('the memory that large bodies may have', () => {
  it('is a part of what is left of a container beside the heap, and of the heap', () => {
    // what docker-compose.yml gives a replica, with the heap that Node takes there
    const container = bodyBudget({ available: 512 * MiB, heap: 280 * MiB });
    expect(container).toBeGreaterThan(16 * MiB);
    expect(container).toBeLessThan((512 - 280) * MiB / 4);
    expect(bodyBudget({ available: 64 * 1024 * MiB, heap: 96 * MiB })).toBe(16 * MiB);
    expect(bodyBudget({ available: 64 * 1024 * MiB, heap: 4096 * MiB })).toBe(256 * MiB);
    expect(bodyBudget({ available: 128 * MiB, heap: 280 * MiB })).toBe(0);
  });

  it('is less where several processes share a container', () => {
    expect(processMemory(4).available).toBe(processMemory().available / 4);
  });

  it('lets one body alone pass, whatever its size, and others as far as they fit', () => {
    const memory = new BodyMemory(10);
    expect([memory.take(12, 0), memory.take(1, 0)]).toEqual([true, false]);
    memory.release(12);
    expect([memory.take(4, 0), memory.take(4, 0), memory.take(4, 0)]).toEqual([true, true, false]);
    // one that grows gives back what it had
    expect([memory.take(6, 4), memory.take(7, 6)]).toEqual([true, false]);
    memory.release(6);
    memory.release(4);
    expect(memory.take(10, 0)).toBe(true);
  });
});
