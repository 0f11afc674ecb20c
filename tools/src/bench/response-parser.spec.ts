import { ResponseParser, headerValue, type ResponseHead } from './response-parser.js';

/** Feeds `text` in pieces of `size` bytes and tells what came out. */
function parse(text: string, size: number, head = false): { responses: ResponseHead[]; body: string } {
  const responses: ResponseHead[] = [];
  let body = '';
  const parser = new ResponseParser((response) => responses.push(response));
  parser.onBody = (bytes) => (body += bytes.toString());
  parser.expect(head);
  for (let at = 0; at < text.length; at += size) parser.push(Buffer.from(text.slice(at, at + size)));
  return { responses, body };
}

const SIZED = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX: y\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n';

describe('ResponseParser', () => {
  it.each([1, 2, 3, 7, 1000])('reads sized and chunked bodies that come in pieces of %i bytes', (size) => {
    for (const text of [SIZED, CHUNKED]) {
      const { responses, body } = parse(text, size);
      expect(responses).toHaveLength(1);
      expect(responses[0]?.status).toBe(200);
      expect(body).toBe('hello');
    }
  });

  it('reads one response after another from one piece', () => {
    const { responses, body } = parse(SIZED + CHUNKED + 'HTTP/1.1 204 No Content\r\n\r\n' + SIZED, 10_000);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 204, 200]);
    expect(body).toBe('hellohellohello');
  });

  it('expects no body after HEAD, and none of a 100', () => {
    expect(parse('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n', 5, true).responses).toHaveLength(1);
  });

  it('finds a header whatever its case', () => {
    const [response] = parse(SIZED, 100).responses;
    expect(response && headerValue(response, 'x')).toBe('y');
  });

  it('refuses what is no response', () => {
    expect(() => parse('SSH-2.0-OpenSSH\r\n\r\n', 100)).toThrow(/expected an HTTP\/1.1 response/);
  });
});
