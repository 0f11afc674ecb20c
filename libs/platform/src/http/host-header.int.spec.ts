import { ServerPerTest, takeBodies } from './testing/http-fixture.js';

const http = new ServerPerTest();

/** What the server answers to these lines of a head. */
async function answerTo(lines: readonly string[], body = ''): Promise<string> {
  const client = await http.connected(takeBodies);
  client.socket.write([...lines, '', body].join('\r\n'), 'latin1');
  return client.toTheEnd();
}

describe('Host (RFC 9112 section 3.2)', () => {
  it.each([
    ['none', []],
    ['two', ['Host: registry.test', 'host: registry.test']],
    ['a path', ['Host: registry.test/v2/']],
    ['a user', ['Host: ann@registry.test']],
    ['a space', ['Host: registry test']],
    ['a port that is no number', ['Host: registry.test:http']],
    ['an open bracket', ['Host: [::1']],
    ['a byte that is no ASCII', ['Host: régistry.test']],
  ])('%s: 400 as the spec has it, with the headers of every answer, and the connection ends', async (_, hosts) => {
    for (const path of ['/v2/', '/healthz']) {
      const received = await answerTo([`GET ${path} HTTP/1.1`, ...hosts], 'GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      expect(received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nDocker-Distribution-Api-Version: registry\/2\.0\r\nX-Content-Type-Options: nosniff\r\nContent-Type: application\/json\r\n/);
      expect(received).toMatch(/\r\nConnection: close\r\n.*\{"errors":\[\{"code":"UNSUPPORTED","message":".*\bHost\b.*"\}\]\}$/s);
      expect(received.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
      expect(http.served.clientErrors).toEqual(['malformed']);
      await http.served.close();
    }
  });

  it.each(['registry.test', 'registry.test:5000', '127.0.0.1:5000', '[::1]:5000', 'my_registry', 'registry.test:', ''])('%j passes', async (host) => {
    expect(await answerTo(['GET /v2/ HTTP/1.1', `Host: ${host}`, 'Connection: close'])).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('is not asked for by HTTP/1.0, where two of them are refused as well', async () => {
    expect(await answerTo(['GET /v2/ HTTP/1.0'])).toMatch(/^HTTP\/1\.1 200 /);
    expect(await answerTo(['GET /v2/ HTTP/1.0', 'Host: a', 'Host: b'])).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('that is refused takes no body: no 100 is sent and the handler is not asked', async () => {
    const received = await answerTo(['PATCH /v2/a/blobs/uploads/0123456789abcdef HTTP/1.1', 'Content-Length: 4', 'Expect: 100-continue']);
    expect(received).toMatch(/^HTTP\/1\.1 400 /);
    expect(received).not.toContain('100 Continue');
  });
});

it('an expectation that is none of HTTP is ignored, and the answer is the usual one', async () => {
  const received = await answerTo(['GET /v2/ HTTP/1.1', 'Host: registry.test', 'Expect: miracles', 'Connection: close']);
  expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\nDocker-Distribution-Api-Version/);
});
