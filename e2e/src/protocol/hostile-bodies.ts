import { blobFixture, digestOf, mediaTypes, pushBlob, type HttpAnswer, type RegistryClient } from '@waybill/testing';
import { expectError, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** The loop of a server that one hostile body keeps busy cannot answer a ping; measured from outside, on a shared machine. */
const pingLimit = 1000;

/** Section 7 points 3, 4 and 5: documents made to confuse or to stall. */
export function describeHostileBodies(test: RegistryTest): void {
  const config = blobFixture('{}');
  const configText = `{"mediaType":"${mediaTypes.imageConfig}","digest":"${config.digest}","size":2}`;
  const fields = `"schemaVersion":2,"mediaType":"${mediaTypes.image}","config":${configText},"layers":[]`;
  const put = (client: RegistryClient, repository: string, body: string | Buffer, mediaType: string = mediaTypes.image) => client.putManifest(repository, 'v1', body, mediaType);

  async function refuses(client: RegistryClient, repository: string, body: string | Buffer, mediaType?: string): Promise<void> {
    const [answer, ping] = await Promise.all([put(client, repository, body, mediaType), slowestPing(client)]);
    expectError(answer, 400, 'MANIFEST_INVALID');
    expect(ping).toBeLessThan(pingLimit);
    expectStatus(await client.headManifest(repository, 'v1'), 404);
  }

  describe('JSON bombs', () => {
    const bombs: Readonly<Record<string, () => string | Buffer>> = {
      '4 MiB of opening brackets': () => '['.repeat(4 * 1024 * 1024),
      '2 MiB of brackets that close': () => '['.repeat(1024 * 1024) + ']'.repeat(1024 * 1024),
      'an annotation nested 100,000 deep': () => `{${fields},"annotations":{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}}`,
      'an unknown field nested 100,000 deep': () => `{${fields},"x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
      'a size of 1e309': () => `{"schemaVersion":2,"mediaType":"${mediaTypes.image}","config":${configText.replace('"size":2', '"size":1e309')},"layers":[]}`,
      'a size of 2^63': () => `{"schemaVersion":2,"mediaType":"${mediaTypes.image}","config":${configText.replace('"size":2', '"size":9223372036854775808')},"layers":[]}`,
      'invalid UTF-8': () => Buffer.concat([Buffer.from(`{${fields},"annotations":{"a":"`), Buffer.from([0xff, 0xfe, 0xc0]), Buffer.from('"}}')]),
      'a byte order mark': () => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(`{${fields}}`)]),
      'UTF-16': () => Buffer.from(`{${fields}}`, 'utf16le'),
      'NUL bytes': () => Buffer.alloc(1000),
    };
    for (const [what, body] of Object.entries(bombs)) {
      test(`${what}: 400 MANIFEST_INVALID, and other requests are answered meanwhile`, async ({ client, repository }) => {
        await pushBlob(client, repository, config);
        await refuses(client, repository, body());
      });
    }

    test('thirty thousand layers do not stall other requests, whatever the answer', async ({ client, repository }) => {
      await pushBlob(client, repository, config);
      const layer = (i: number) => `{"mediaType":"a","digest":"${digestOf(Buffer.from(String(i)))}","size":1}`;
      for (const layers of [Array.from({ length: 30_000 }, (_, i) => layer(i)), Array.from({ length: 30_000 }, () => layer(0))]) {
        const body = `{"schemaVersion":2,"mediaType":"${mediaTypes.image}","config":${configText},"layers":[${layers.join(',')}]}`;
        const [answer, ping] = await Promise.all([put(client, repository, body), slowestPing(client)]);
        expect([400, 413]).toContain(answer.status);
        expect(ping).toBeLessThan(pingLimit);
      }
    });

    test('__proto__ and constructor are ordinary names', async ({ client, repository }) => {
      await pushBlob(client, repository, config);
      const body = `{${fields},"__proto__":{"layers":1},"constructor":{"prototype":{}},"annotations":{"__proto__":"x","constructor":"y"}}`;
      const answer = await put(client, repository, body);
      if (answer.status === 201) expect((await client.getManifest(repository, 'v1')).body.toString()).toBe(body);
      else expectError(answer, 400, 'MANIFEST_INVALID');
      expectStatus(await put(client, repository, `{${fields}}`), 201);
    });
  });

  describe('documents that different readers understand differently', () => {
    const ambiguous: Readonly<Record<string, string>> = {
      'mediaType twice': `{"mediaType":"${mediaTypes.dockerManifest}",${fields}}`,
      'layers twice': `{${fields},"layers":[]}`,
      'config twice': `{"config":${configText},${fields}}`,
      'schemaVersion twice': `{${fields},"schemaVersion":1}`,
      'a key twice, once escaped': `{${fields},"lay\\u0065rs":[]}`,
      'a key twice inside a descriptor': `{"schemaVersion":2,"mediaType":"${mediaTypes.image}","config":${configText.replace('{', '{"digest":"sha256:0",')},"layers":[]}`,
      'Layers beside layers': `{${fields},"Layers":[{"mediaType":"x"}]}`,
      'MANIFESTS in an image': `{${fields},"MANIFESTS":[]}`,
      'MediaType beside mediaType': `{${fields},"MediaType":"${mediaTypes.index}"}`,
      'Config beside config': `{${fields},"Config":${configText}}`,
      'a long s that folds to s: layer\u017f': `{${fields},"layer\u017f":[]}`,
      'Digest beside digest in a descriptor': `{"schemaVersion":2,"mediaType":"${mediaTypes.image}","config":${configText.replace('{', '{"Digest":"sha256:0",')},"layers":[]}`,
    };
    for (const [what, body] of Object.entries(ambiguous)) {
      test(`${what}: 400 MANIFEST_INVALID`, async ({ client, repository }) => {
        await pushBlob(client, repository, config);
        await refuses(client, repository, body);
      });
    }

    test('a document that is an image and an index at once is refused as either', async ({ client, repository }) => {
      await pushBlob(client, repository, config);
      const both = `{"schemaVersion":2,"config":${configText},"layers":[],"manifests":[]}`;
      for (const type of [mediaTypes.image, mediaTypes.index]) await refuses(client, repository, both, type);
    });
  });
}

/** The slowest of a few pings that are sent while another request is being answered, in milliseconds. */
async function slowestPing(client: RegistryClient): Promise<number> {
  let slowest = 0;
  for (let i = 0; i < 8; i += 1) {
    const start = performance.now();
    const answer: HttpAnswer = await client.ping();
    expectStatus(answer, 200);
    slowest = Math.max(slowest, performance.now() - start);
  }
  return slowest;
}
