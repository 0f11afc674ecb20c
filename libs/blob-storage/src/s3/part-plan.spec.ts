import { PartPlan } from './part-plan.js';

const [MiB, GiB, TiB] = [1024 ** 2, 1024 ** 3, 1024 ** 4];
const planned = (largestPart: number): PartPlan => new PartPlan({ partSize: 8 * MiB, largestPart, partsInFlight: 3 });

describe('the parts of an object of unknown size', () => {
  it('double every 500 parts up to the largest that is allowed', () => {
    const plan = planned(32 * MiB);
    expect([1, 500, 501, 1000, 1001, 1501, 10_000].map((part) => plan.sizeOf(part) / MiB)).toEqual([8, 8, 16, 16, 32, 32, 32]);
    expect(planned(20 * MiB).sizeOf(10_000)).toBe(20 * MiB);
    expect(planned(MiB).sizeOf(10_000)).toBe(8 * MiB);
  });

  it('hold little more memory when they are larger: fewer of them are on their way', () => {
    const plan = planned(1024 * MiB);
    expect([1, 501, 1001, 5000].map((part) => plan.inFlight(part))).toEqual([3, 1, 1, 1]);
  });

  it('make objects as large as memory allows, and not larger than S3 takes', () => {
    // parts of one size: what ended a layer before
    expect(planned(8 * MiB).largestObject / GiB).toBeCloseTo(78.1, 1);
    expect(planned(32 * MiB).largestObject / GiB).toBeGreaterThan(290);
    expect(planned(512 * MiB).largestObject / TiB).toBeGreaterThan(3.6);
    expect(planned(GiB).largestObject).toBe(5 * TiB);
  });
});
