import { MAX_JSON_DEPTH, MAX_JSON_VALUES, parseStrictJson } from './strict-json.js';

const parse = (text: string) => parseStrictJson(Buffer.from(text));
const invalid = (pattern: RegExp) => expect.objectContaining({ code: 'MANIFEST_INVALID', status: 400, message: expect.stringMatching(pattern) });
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('strict JSON', () => {
  it.each(['{}', '[]', 'null', '"a"', '0', ' {"a" : [1, -2, true, false, null, "x\\"y\\\\", {"b":{}}] } ', '{"a":"1.5e3"}', '{"a":"}{][:,"}', '{"é":"日本\\n"}', '{"a":"\\u00e9\\ud83d\\ude00"}'])('%s reads as ever', (text) => {
    expect(parse(text)).toEqual(JSON.parse(text));
  });

  it.each(['1.5', '1e3', '1E3', '1.0', '-1.5', '0.10', '1e+3', '1E-3', '9007199254740991.4', '1e309', '-0.0'])('reads the number %s as -1, which no field may be', (number) => {
    expect(parse(`{"a":[${number},"${number}",7],"b":${number}}`)).toEqual({ a: [-1, number, 7], b: -1 });
  });

  it.each(['', '{', '}', '[', '{"a"}', '{"a":}', '{a:1}', "{'a':1}", '{"a":1,}', '[1,]', '{} {}', '"', '"\\', '"\\u', '"\\u12"', '"a\nb"', '"a\0b"', '01', '1.', '1.e3', '.5', '1e', '1.5.5', '1.5-2', '-', '--1.5', '+1.5', '1.5x', 'NaN', 'tru', '[1.5 2.5]', '\u{a0}{}', '// x', '{"a":1]'])(
    'refuses %j',
    (text) => {
      expect(() => parse(text)).toThrow(invalid(/not JSON/));
    },
  );

  it.each([
    ['a byte order mark', [0xef, 0xbb, 0xbf, 0x7b, 0x7d], /byte order mark/],
    ['a lone continuation byte', [0x22, 0x80, 0x22], /UTF-8/],
    ['an overlong form', [0x22, 0xc0, 0xaf, 0x22], /UTF-8/],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22], /UTF-8/],
    ['a cut sequence', [0x22, 0xe2, 0x82, 0x22], /UTF-8/],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00], /UTF-8/],
  ])('refuses %s', (_name, bytes, reason) => {
    expect(() => parseStrictJson(Buffer.from(bytes))).toThrow(invalid(reason));
  });

  it.each(['"\\u0000"', '{"a\\u0000":1}', '"\\ud800"', '"\\udc00\\ud800"', '{"x":["\\uD83D!"]}'])('refuses the escape in %s, which readers and databases take differently', (text) => {
    expect(() => parse(text)).toThrow(invalid(/escape/));
  });

  it.each([
    ['{"a":1,"a":1}', 'a', 7],
    ['{"mediaType":"x", "b":{}, "mediaType" :"y"}', 'mediaType', 26],
    ['{"layers":[],"\\u006cayers":[]}', 'layers', 13],
    ['{"x":[{"y":{"b":1,"c":2,"b":3}}]}', 'b', 24],
    ['{"__proto__":1,"__proto__":2}', '__proto__', 15],
    ['{"":1,"":2}', '', 6],
    ['{"a":{"a":{"a":1}},"b":"a","c":["a","a"],"a":2}', 'a', 41],
  ])('refuses the duplicate in %s and says where it is', (text, key, at) => {
    expect(() => parse(text)).toThrow(invalid(new RegExp(`"${key}" occurs twice .* byte ${at}$`)));
  });

  it('refuses a duplicate anywhere, though it names only one among the first keys', () => {
    const keys = Array.from({ length: 20_000 }, (_, i) => `"k${i}":1`);
    expect(() => parse(`{${keys.join()},"k0":1}`)).toThrow(invalid(/a key occurs twice/));
    expect(() => parse(`{"k0":1,${keys.join()}}`)).toThrow(invalid(/"k0" occurs twice/));
  });

  it('lets the same key stand in different objects', () => {
    expect(parse('[{"a":{"a":1}},{"a":["a","a"]}]')).toEqual([{ a: { a: 1 } }, { a: ['a', 'a'] }]);
  });

  it('keeps __proto__ and constructor as plain keys', () => {
    const value = parse('{"__proto__":{"polluted":1},"constructor":2}');
    expect(Object.keys(Object(value))).toEqual(['__proto__', 'constructor']);
    expect({}).not.toHaveProperty('polluted');
    expect(Object.getPrototypeOf(value)).toBe(Object.getPrototypeOf(JSON.parse('{}')));
  });

  it('nests up to 64 levels', () => {
    expect(() => parse(nested(MAX_JSON_DEPTH))).not.toThrow();
    expect(() => parse(nested(MAX_JSON_DEPTH + 1))).toThrow(invalid(/64 levels/));
    expect(() => parse(`"${nested(1000)}"`)).not.toThrow();
    expect(() => parse(`[${Array.from({ length: 1000 }, () => '{"a":[]}').join()}]`)).not.toThrow();
  });

  it('holds up to 32,000 values', () => {
    const list = (count: number) => `[${Array.from({ length: count }, () => 0).join()}]`;
    expect(() => parse(list(MAX_JSON_VALUES - 1))).not.toThrow();
    expect(() => parse(list(MAX_JSON_VALUES + 1))).toThrow(invalid(/32000 values/));
    expect(() => parse(`[${Array.from({ length: 20_000 }, () => '[]').join()}]`)).toThrow(invalid(/32000 values/));
    expect(() => parse(`{${Array.from({ length: 40_000 }, (_, i) => `"${i}":0`).join()}}`)).toThrow(invalid(/32000 values/));
    expect(() => parse(`"${','.repeat(100_000)}"`)).not.toThrow();
  });
});
