import { formatContentRange, formatUploadRange, parseContentRange, parseRange } from './range.js';

const single = (start: number, end: number) => ({ kind: 'single', start, end });
const whole = { kind: 'whole' };
const unsatisfiable = { kind: 'unsatisfiable' };
const multi = (...ranges: readonly (readonly [number, number])[]) => ({ kind: 'multi', ranges: ranges.map(([start, end]) => ({ start, end })) });

describe('a range of a blob of 2048 bytes', () => {
  it.each([
    ['bytes=500-1499', single(500, 1499)],
    ['bytes=500-', single(500, 2047)],
    ['bytes=-500', single(1548, 2047)],
    ['bytes=2000-5000', single(2000, 2047)],
    ['bytes=500-0', unsatisfiable],
    ['bytes=5000-10000', unsatisfiable],
    ['bytes=0-', single(0, 2047)],
    ['bytes=0-0', single(0, 0)],
    ['bytes=2047-2047', single(2047, 2047)],
    ['bytes=2048-', unsatisfiable],
    ['bytes=-5000', single(0, 2047)],
    ['bytes=-0', unsatisfiable],
    ['BYTES=1-2', single(1, 2)],
    ['bytes=0-99999999999999999999999', single(0, 2047)],
    [`bytes=${'9'.repeat(400)}-`, unsatisfiable],
  ])('%s', (header, expected) => {
    expect(parseRange(header, 2048)).toEqual(expected);
  });

  it.each([undefined, '', 'bytes', 'bytes=', 'bytes=-', 'bytes=a-b', 'bytes=1', 'bytes=1-2-3', 'bytes=1.5-2', 'bytes=+1-2', 'bytes=-1-2', 'bytes=1-2,', 'bytes=,', 'bytes=1-2,x', 'items=1-2', 'bytes 1-2', '1-2', 'bytes=0x1-2'])(
    '%j is the whole blob',
    (header) => {
      expect(parseRange(header, 2048)).toEqual(whole);
    },
  );

  it.each([
    ['apart, in ascending order', 'bytes=100-199, 0-9', multi([0, 9], [100, 199])],
    ['overlapping', 'bytes=0-99,50-149', single(0, 149)],
    ['adjacent', 'bytes=0-99,100-149', single(0, 149)],
    ['one byte between them', 'bytes=0-99,101-149', multi([0, 99], [101, 149])],
    ['one inside another', 'bytes=0-99,10-19,200-', multi([0, 99], [200, 2047])],
    ['one beyond the blob', 'bytes=0-9,5000-6000', single(0, 9)],
    ['all beyond the blob', 'bytes=4000-4009,5000-6000', unsatisfiable],
  ])('several: %s', (_name, header, expected) => {
    expect(parseRange(header, 2048)).toEqual(expected);
  });

  it('is whole beyond 16 ranges, counted after overlaps are joined', () => {
    const apart = (count: number) => `bytes=${Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10 + 1}`).join()}`;
    expect(parseRange(apart(16), 2048)).toHaveProperty('ranges.length', 16);
    expect(parseRange(apart(17), 2048)).toEqual(whole);
    expect(parseRange(`bytes=${'5-9,'.repeat(999)}5-9`, 2048)).toEqual(single(5, 9));
  });

  it.each(['bytes=0-', 'bytes=0-0', 'bytes=-1'])('%s of an empty blob is unsatisfiable', (header) => {
    expect(parseRange(header, 0)).toEqual(unsatisfiable);
  });

  it('is formatted for a 206', () => {
    expect(formatContentRange({ start: 500, end: 1499 }, 2048)).toBe('bytes 500-1499/2048');
  });
});

describe('the Content-Range of a chunk', () => {
  it.each([['0-0', 0, 0], ['0-1023', 0, 1023], ['1024-2047', 1024, 2047], ['0-9007199254740991', 0, Number.MAX_SAFE_INTEGER]])('%s', (header, start, end) => {
    expect(parseContentRange(header)).toEqual({ start, end });
  });

  it.each(['', '-', '0-', '-5', '5-0', 'bytes 0-5/6', 'bytes=0-5', '0-5/6', ' 0-5', '0-5\n', '0 - 5', 'a-b', '1e3-2e3', '0-9007199254740992', `0-${'9'.repeat(400)}`])('%j is malformed', (header) => {
    expect(parseContentRange(header)).toBeUndefined();
  });

  it('is answered with what the session holds, 0-0 when it holds nothing', () => {
    expect([0, 1, 2, 1024].map(formatUploadRange)).toEqual(['0-0', '0-0', '0-1', '0-1023']);
  });
});
