import { createServer, type Server } from 'node:http';
import { freePort } from './free-port.js';
import { blobsAndManifests, startPathRouter } from './path-router.js';
import { RegistryClient } from './registry-client.js';

describe('blobsAndManifests', () => {
  const route = blobsAndManifests('B', 'M');

  it.each([
    ['/v2/a/blobs/sha256:0', 'B'],
    ['/v2/a/blobs/uploads/', 'B'],
    ['/v2/a/blobs/uploads?mount=x&from=a/manifests/b', 'B'],
    ['/v2/a/b/blobs/uploads/id?state=/x', 'B'],
    ['/v2/a/blobs/manifests/v1', 'M'],
    ['/v2/a/blobs/tags/list', 'M'],
    ['/v2/a/manifests/v1', 'M'],
    ['/v2/_catalog', 'M'],
    ['/v2/', 'M'],
  ])('sends %s to %s', (path, target) => {
    expect(route(path)).toBe(target);
  });
});

describe('startPathRouter', () => {
  it('passes bytes on before the request has ended, both ways', async () => {
    const server = createServer((incoming, outgoing) => incoming.pipe(outgoing.writeHead(202, { 'X-Path': incoming.url ?? '' })));
    const target = await listen(server);
    const router = await startPathRouter(() => target);
    const client = new RegistryClient(router.baseUrl);
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('one ');
      yield Buffer.from('two');
    }
    const answer = await client.send({ method: 'PATCH', path: '/v2/a%2Fb?x=1', body: body() });
    expect([answer.status, answer.header('X-Path'), answer.body.toString()]).toEqual([202, '/v2/a%2Fb?x=1', 'one two']);
    client.close();
    await router.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

async function listen(server: Server): Promise<string> {
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return `http://127.0.0.1:${port}`;
}
