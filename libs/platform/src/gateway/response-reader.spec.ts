import fc from 'fast-check';
import { BadAnswer, HEAD_LIMIT } from './response-head.js';
import { ResponseReader } from './response-reader.js';

interface Read {
  /** Status, headers and body of each answer; `cut` stands in place of an end that did not come. */
  readonly answers: string[];
  /** Whether the connection is to be closed. */
  bad: boolean;
}

/** Reads what a connection gives to requests that are sent one by one, each after the answer to the one before. */
function read(pieces: readonly Buffer[], toHead = false): Read {
  const found: Read = { answers: [], bad: false };
  let answer = '';
  const reader: ResponseReader = new ResponseReader({
    onHead: ({ status, headers, keepAlive }, whole) => (answer = `${status} ${headers.join('|')} ${keepAlive ? '' : 'close '}> ${whole?.toString('latin1') ?? ''}`),
    onData: (chunk) => (answer += chunk.toString('latin1')),
    onEnd: () => {
      found.answers.push(answer);
      answer = '';
      found.bad ||= reader.surplus;
    },
  });
  reader.expect(toHead);
  try {
    for (const piece of pieces) {
      if (found.bad) break;
      // as the buffer that all connections share: another one's bytes are in it after the call
      const shared = Buffer.from(piece);
      reader.push(shared);
      shared.fill('?');
    }
  } catch (error) {
    if (!(error instanceof BadAnswer)) throw error;
    found.bad = true;
  }
  if (answer !== '') found.answers.push(`${answer} cut`);
  return found;
}

function piecesOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1))), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end)).filter((piece) => piece.length > 0);
}

const head = (...lines: readonly string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('an answer of a replica', () => {
  it.each([
    ['with its length', head('Content-Length: 2', 'X-Y:  z\t') + 'ok', ['200 Content-Length|2|X-Y|z > ok']],
    ['in chunks', head('Transfer-Encoding: Chunked') + '3\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n', ['200  > abc0123456789']],
    ['in many chunks', `${head('Transfer-Encoding: chunked')}${'001\r\nx\r\n'.repeat(20)}0\r\n\r\n`, [`200  > ${'x'.repeat(20)}`]],
    ['without a body', 'HTTP/1.1 204 \r\nX: y\r\n\r\n', ['204 X|y > ']],
    ['that says that nothing changed', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n', ['304 Content-Length|10 > ']],
    ['after 100 and 103', `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${head('Content-Length: 0')}`, ['200 Content-Length|0 > ']],
    ['with bytes above ASCII', head('Content-Length: 1', 'X: \xe9\xff') + '\0', ['200 Content-Length|1|X|\xe9\xff > \0']],
    ['that ends its connection', head('Content-Length: 0', 'Connection: Keep-Alive, Close'), ['200 Content-Length|0 close > ']],
    ['without what is for this connection only, also by its own word', head('Content-Length: 0', 'Keep-Alive: timeout=5', 'Connection: X-Hop, content-length', 'X-Hop: 1', 'Upgrade: x'), ['200 Content-Length|0 > ']],
    ['of an empty value and no reason', 'HTTP/1.1 200 \r\nX:\r\nContent-Length: 00\r\n\r\n', ['200 X||Content-Length|00 > ']],
  ])('%s is read', (_, text, answers) => {
    expect(read([bytes(text)])).toEqual({ answers, bad: false });
  });

  it('to HEAD has no body, whatever it says', () => {
    for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked', 'X: y']) expect(read([bytes(head(framing))], true)).toMatchObject({ answers: [expect.stringMatching(/> $/)], bad: false });
  });

  it.each([
    ['two lengths', head('Content-Length: 2', 'Content-Length: 3') + 'ok'],
    ['the same length twice', head('Content-Length: 2', 'Content-Length: 2') + 'ok'],
    ['a list of lengths', head('Content-Length: 2, 2') + 'ok'],
    ['a signed length', head('Content-Length: +2') + 'ok'],
    ['a negative length', head('Content-Length: -2') + 'ok'],
    ['a length of no digits', head('Content-Length:') + 'ok'],
    ['a length in hexadecimal', head('Content-Length: 0x2') + 'ok'],
    ['a length beyond what can be counted', head('Content-Length: 9999999999999999') + 'ok'],
    ['a length beside chunks', head('Content-Length: 5', 'Transfer-Encoding: chunked') + '0\r\n\r\n'],
    ['chunks beside a length', head('Transfer-Encoding: chunked', 'Content-Length: 5') + '0\r\n\r\n'],
    ['two codings', head('Transfer-Encoding: gzip, chunked') + '0\r\n\r\n'],
    ['a coding twice', head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + '0\r\n\r\n'],
    ['an unknown coding', head('Transfer-Encoding: xchunked') + '0\r\n\r\n'],
    ['a body without an end', head('X: y') + 'ok'],
    ['a folded header', head('X: y', ' z', 'Content-Length: 0')],
    ['a blank before the colon', head('Content-Length : 2') + 'ok'],
    ['a header without a name', head(': y', 'Content-Length: 0')],
    ['a header without a colon', head('X', 'Content-Length: 0')],
    ['a LF alone', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['a LF alone between headers', 'HTTP/1.1 200 OK\r\nX: y\nContent-Length: 0\r\n\r\n'],
    ['a CR alone', head('X: a\rContent-Length: 2', 'Content-Length: 0')],
    ['a CR before CRLF', head('X: a\r', 'Content-Length: 0')],
    ['NUL', head('X: a\0b', 'Content-Length: 0')],
    ['DEL', head('X: a\x7fb', 'Content-Length: 0')],
    ['another version', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['another protocol', 'SSH-2.0-x\r\n\r\n'],
    ['an empty line first', `\r\n${head('Content-Length: 0')}`],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a status of no class', 'HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['an interim answer with a body', 'HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok'],
    ['a body where there is none', 'HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok'],
    ['interim answers without end', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(17) + head('Content-Length: 0')],
    ['a head without end', head(`X: ${'y'.repeat(HEAD_LIMIT)}`, 'Content-Length: 0')],
  ])('with %s is refused before anything of it is passed on', (_, text) => {
    for (const cuts of [[], Array.from({ length: text.length }, (__, i) => i)]) expect(read(piecesOf(bytes(text), cuts))).toEqual({ answers: [], bad: true });
  });

  it.each([
    ['a chunk without a size', '\r\nab'],
    ['a second chunk without a size', '2\r\nab\r\n\r\nab'],
    ['a size that is no number', 'x\r\nab'],
    ['a blank in the size', '2 \r\nab\r\n0\r\n\r\n'],
    ['a sign', '-2\r\nab\r\n0\r\n\r\n'],
    ['a prefix', '0x2\r\nab\r\n0\r\n\r\n'],
    ['an extension', '2;x=y\r\nab\r\n0\r\n\r\n'],
    ['a size beyond what can be counted', '1000000000000\r\nab'],
    ['a LF alone after the size', '2\nab\r\n0\r\n\r\n'],
    ['a CR alone after the size', '2\rab\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '2\r\nabc\r\n0\r\n\r\n'],
    ['a chunk that ends with LF alone', '2\r\nab\n0\r\n\r\n'],
    ['a trailer', '2\r\nab\r\n0\r\nX: y\r\n\r\n'],
  ])('whose body has %s is cut off', (_, body) => {
    const { answers, bad } = read([bytes(head('Transfer-Encoding: chunked') + body)]);
    expect(answers).toEqual([expect.stringMatching(/ cut$/)]);
    expect(bad).toBe(true);
  });

  it('is whole where more bytes follow, but its connection is not used again', () => {
    expect(read([bytes(head('Content-Length: 2') + 'ok' + head('Content-Length: 0'))])).toEqual({ answers: ['200 Content-Length|2 > ok'], bad: true });
    expect(read([bytes(head('Content-Length: 2') + 'ok'), bytes('H')])).toEqual({ answers: ['200 Content-Length|2 > ok'], bad: true });
  });
});

const lengths = fc.nat({ max: 70 });
const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/);
const value = fc.stringMatching(/^[\x21-\x7e\xa0-\xff]([\t\x20-\x7e\xa0-\xff]{0,30}[\x21-\x7e\xa0-\xff])?$/);
const fields = fc.array(fc.tuple(token, value).filter(([name]) => !/^(connection|content-length|transfer-encoding)$/i.test(name)), { maxLength: 6 });
const body = fc.oneof(
  lengths.map((length) => ({ lines: [`Content-Length: ${length}`], text: 'x'.repeat(length) })),
  fc.array(lengths.filter((length) => length > 0), { maxLength: 5 }).map((sizes) => ({ lines: ['Transfer-Encoding: chunked'], text: [...sizes.map((size) => `${size.toString(16)}\r\n${'y'.repeat(size)}\r\n`), '0\r\n\r\n'].join('') })),
);
const answer = fc.tuple(fields, body, fc.nat({ max: 2 })).map(([headers, { lines, text }, interim]) => bytes('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'.repeat(interim) + head(...headers.map(([name, text_]) => `${name}: ${text_}`), ...lines) + text));
const cuts = fc.array(fc.nat(), { maxLength: 12 });

describe('whatever pieces the bytes come in', () => {
  it('a good answer is read the same', () => {
    fc.assert(
      fc.property(answer, cuts, (whole, at) => {
        const { answers, bad } = read([whole]);
        expect(answers).toHaveLength(1);
        expect(bad).toBe(false);
        expect(read(piecesOf(whole, at))).toEqual({ answers, bad });
        expect(read(piecesOf(whole, Array.from({ length: whole.length }, (_, i) => i)))).toEqual({ answers, bad });
      }),
    );
  });

  it('an answer with bytes changed, left out or put in is refused or read the same, and never throws anything else', () => {
    const damage = fc.record({ at: fc.nat(), remove: fc.nat({ max: 3 }), insert: fc.oneof(fc.constantFrom('\r', '\n', '\r\n', '\0', ' ', ':', ';', '0'), fc.string({ unit: 'binary-ascii', maxLength: 3 })) });
    fc.assert(
      fc.property(answer, fc.array(damage, { minLength: 1, maxLength: 3 }), cuts, (whole, damages, at) => {
        let text = whole.toString('latin1');
        for (const { at: index, remove, insert } of damages) text = text.slice(0, index % text.length) + insert + text.slice((index % text.length) + remove);
        expect(read(piecesOf(bytes(text), at))).toEqual(read([bytes(text)]));
      }),
      { numRuns: 500 },
    );
  });

  it('garbage is refused, or waited on for no more than a head', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), cuts, (garbage, at) => {
        expect(read(piecesOf(Buffer.from(garbage), at)).answers).toEqual([]);
      }),
    );
    for (const byte of [0, 10, 13, 32, 65, 72, 255]) expect(read([Buffer.alloc(HEAD_LIMIT, byte)])).toEqual({ answers: [], bad: true });
  });

  it('a head of blanks costs no more than its length', () => {
    const began = performance.now();
    for (let i = 0; i < 50; i += 1) read([bytes(head(`X: ${' '.repeat(HEAD_LIMIT - 100)}y`, 'Content-Length: 0'))]);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
