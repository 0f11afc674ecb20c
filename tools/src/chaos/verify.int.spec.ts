import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { digestOf, RegistryClient } from '@waybill/testing';
import { Ledger } from './ledger.js';
import { verify } from './verify.js';

/** No registry of ours can be made to say these things: a server that has at each path what stands here, and nothing else. */
const answers = new Map<string, string>();
let server: Server;
let client: RegistryClient;

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers.get(request.url ?? '');
    response.writeHead(answer === undefined ? 404 : answer === 'away' ? 503 : 200).end(answer);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error(`The server listens on ${JSON.stringify(address)}; expected a port.`);
  client = new RegistryClient(`http://127.0.0.1:${address.port}`);
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});
beforeEach(() => answers.clear());

const content = (text: string): { readonly text: string; readonly digest: string } => ({ text, digest: digestOf(Buffer.from(text)) });
const [blob, manifest, other] = [content('a layer'), content('an image'), content('another image')];

/** A blob, a manifest and a tag at it, all acknowledged. */
function acknowledged(): Ledger {
  const ledger = new Ledger();
  ledger.add({ kind: 'blob', repository: 'a', digest: blob.digest, size: blob.text.length });
  ledger.add({ kind: 'manifest', repository: 'a', digest: manifest.digest, size: manifest.text.length });
  ledger.tagMayMove('a', 'latest', manifest.digest);
  ledger.tagMoved('a', 'latest', manifest.digest);
  answers.set(`/v2/a/blobs/${blob.digest}`, blob.text).set(`/v2/a/manifests/${manifest.digest}`, manifest.text).set('/v2/a/manifests/latest', manifest.text);
  return ledger;
}

describe('what chaos says at the end', () => {
  it('is nothing where everything that was acknowledged is there', async () => {
    expect(await verify(client, acknowledged())).toEqual([]);
  });

  it.each<[string, string, string | undefined, RegExp]>([
    ['a blob that is gone', `/v2/a/blobs/${blob.digest}`, undefined, /^blob a@\S+ was acknowledged and is answered with 404$/],
    ['a manifest that is gone', `/v2/a/manifests/${manifest.digest}`, undefined, /^manifest a@\S+ was acknowledged and is answered with 404$/],
    ['what cannot be read', `/v2/a/blobs/${blob.digest}`, 'away', /answered with 503$/],
    ['other bytes', `/v2/a/blobs/${blob.digest}`, 'a lajer', /acknowledged with 7 bytes and pulls as 7 other ones$/],
    ['half of the bytes', `/v2/a/manifests/${manifest.digest}`, 'an i', /acknowledged with 8 bytes and pulls as 4 other ones$/],
    ['a tag that is gone', '/v2/a/manifests/latest', undefined, /^a:latest is at nothing; expected sha256:/],
    ['a tag at another place', '/v2/a/manifests/latest', other.text, /^a:latest is at sha256:\S+; expected sha256:/],
    ['a tag that cannot be read', '/v2/a/manifests/latest', 'away', /^a:latest is answered with 503$/],
  ])('names %s', async (_what, path, answer, named) => {
    const ledger = acknowledged();
    answers.delete(path);
    if (answer !== undefined) answers.set(path, answer);
    expect(await verify(client, ledger)).toEqual([expect.stringMatching(named)]);
  });
});
