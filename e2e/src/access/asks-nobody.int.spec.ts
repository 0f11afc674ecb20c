import { jest } from '@jest/globals';
import { blobFixture, freePort, manifestFixture, pushBlob } from '@waybill/testing';
import { Recorder } from '../load-balancer/recorder.js';
import { GuardedRegistry, TOPOLOGIES } from './guarded-registry.js';

jest.setTimeout(120_000);

describe.each(TOPOLOGIES)('SSRF (section 7 point 11), %s', (topology) => {
  let registry: GuardedRegistry;
  let elsewhere: Recorder;
  let url: string;

  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    elsewhere = await Recorder.start('elsewhere', '127.0.0.1', port);
    registry = await GuardedRegistry.start(topology);
  });
  afterEach(() => expect(elsewhere.requests.map((request) => request.url)).toEqual([]));
  afterAll(async () => {
    await registry.stop();
    await elsewhere.stop();
  });

  it('no key is fetched from where a token says that it is, nor is its issuer asked', async () => {
    const access = [{ type: 'repository', name: 'a', actions: ['pull'] }];
    for (const header of [{ jku: `${url}/keys` }, { x5u: `${url}/chain` }, { jku: `${url}/keys`, kid: 'unknown' }, { kid: `${url}/key` }]) {
      for (const claims of [{ access }, { access, iss: url }, { access, aud: url }]) await registry.with(`Bearer ${registry.issuer.issue(claims, header)}`).getManifest('a', 'v1');
    }
  });

  it('nothing is fetched that a manifest names, nor where a mount, a proxy client or a Host header points', async () => {
    const client = registry.as('alice', 'a:pull,push,delete');
    const held = blobFixture('{"elsewhere":1}');
    await pushBlob(client, 'a', held);
    const foreign = { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', digest: blobFixture('not here').digest, size: 8, urls: [`${url}/layer`] };
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: held.digest, size: held.bytes.length };
    const manifest = manifestFixture(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [foreign], annotations: { 'org.opencontainers.image.source': url } })), mediaType);
    expect((await client.putManifest('a', 'v1', manifest.bytes, manifest.mediaType)).status).toBe(201);
    expect((await client.getBlob('a', foreign.digest)).status).toBe(404);
    const host = new URL(url).host;
    for (const query of [`?mount=${foreign.digest}&from=${host}/b`, `?mount=${foreign.digest}&from=b&origin=${host}`, `?ns=${host}`]) await client.startUpload('a', { query });
    for (const query of [`?ns=${host}`, `?ns=${url}`]) expect((await client.get(`/v2/a/manifests/v1${query}`)).status).toBe(200);
    await client.get('/v2/a/manifests/v1', { Host: host, 'X-Forwarded-Host': host });
  });
});
