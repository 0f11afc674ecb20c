import { buildContent, pushContent, pushBlob, pushManifest, blobFixture, type RegistryClient } from '@waybill/testing';
import { expectError, expectStatus, nextPage } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

const app = { blobs: { config: { json: { made: 'for tags' } } }, manifests: { app: { kind: 'image', config: 'config', layers: [] } } } as const;

/** Row 8 of section 1, L1 to L3, row 7b (`?tag=`). */
export function describeTags(test: RegistryTest): void {
  const content = buildContent(app);

  async function tag(client: RegistryClient, repository: string, tags: readonly string[]): Promise<void> {
    await pushContent(client, repository, content);
    for (const name of tags) await pushManifest(client, repository, content.manifest('app'), name);
  }

  describe('listing tags', () => {
    test('gives the name and every tag in byte order, as application/json', async ({ client, repository }) => {
      await tag(client, repository, ['v1.0', 'v1', 'V1', '_x', 'latest', '10', '2', 'v1-rc']);
      const answer = await client.listTags(repository);
      expect([answer.status, answer.header('Content-Type')]).toEqual([200, 'application/json']);
      expect(answer.json()).toEqual({ name: repository, tags: ['10', '2', 'V1', '_x', 'latest', 'v1', 'v1-rc', 'v1.0'] });
      expect(nextPage(answer)).toBeUndefined();
    });

    test('is an empty array, not null, where nothing is tagged, and 404 NAME_UNKNOWN where nothing was ever pushed', async ({ client, repository, otherRepository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: [] });
      expectError(await client.listTags(otherRepository), 404, 'NAME_UNKNOWN');
    });

    test('n cuts a page and Link leads through all of them, each tag once', async ({ client, repository }) => {
      const tags = ['v1', 'v1.0', 'v1.0.0', 'v1-', 'v10', 'v2', 'z'].toSorted();
      await tag(client, repository, tags);
      for (const n of [1, 2, 3, 6, 7, 8]) {
        const seen: unknown[] = [];
        let next: string | undefined = `/v2/${repository}/tags/list?n=${n}`;
        for (let page = 0; next !== undefined && page < 10; page += 1) {
          const answer = await client.get(next);
          const { tags: some } = tagList(answer.json());
          expect(some.length).toBeLessThanOrEqual(n);
          seen.push(...some);
          next = nextPage(answer);
        }
        expect([n, seen]).toEqual([n, tags]);
      }
    });

    test('n=0 is an empty list without a Link', async ({ client, repository }) => {
      await tag(client, repository, ['v1']);
      const answer = await client.listTags(repository, '?n=0');
      expect([answer.status, answer.json(), nextPage(answer)]).toEqual([200, { name: repository, tags: [] }, undefined]);
    });

    test('last is exclusive, need not exist, and works without n', async ({ client, repository }) => {
      await tag(client, repository, ['a', 'b', 'c', 'd']);
      expect((await client.listTags(repository, '?last=b')).json()).toEqual({ name: repository, tags: ['c', 'd'] });
      expect((await client.listTags(repository, '?last=bb')).json()).toEqual({ name: repository, tags: ['c', 'd'] });
      expect((await client.listTags(repository, '?last=z')).json()).toEqual({ name: repository, tags: [] });
      expect((await client.listTags(repository, '?n=1&last=a')).json()).toEqual({ name: repository, tags: ['b'] });
    });

    test('an n that is negative or no integer is 400 UNSUPPORTED; a huge one is clamped', async ({ client, repository }) => {
      await tag(client, repository, ['v1']);
      for (const n of ['-1', 'x', '1.5', '1e3']) expectError(await client.listTags(repository, `?n=${n}`), 400, 'UNSUPPORTED');
      for (const n of ['1000', '10001', '2147483648', '99999999999999999999']) expect((await client.listTags(repository, `?n=${n}`)).json()).toEqual({ name: repository, tags: ['v1'] });
    });

    test('more than a thousand tags come in one answer without n', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const tags = Array.from({ length: 1050 }, (_, i) => `t${String(i).padStart(5, '0')}`);
      const batches = Array.from({ length: 21 }, (_, i) => tags.slice(i * 50, i * 50 + 50).map((name) => `tag=${name}`));
      for (const batch of batches) {
        const { digest, bytes, mediaType } = content.manifest('app');
        expectStatus(await client.putManifest(repository, digest, bytes, mediaType, { query: `?${batch.join('&')}` }), 201);
      }
      expect(tagList((await client.listTags(repository)).json()).tags).toEqual(tags);
    });

    test('a moved tag stays one tag', async ({ client, repository }) => {
      const two = buildContent({ blobs: { config: { json: {} }, other: { json: { a: 1 } } }, manifests: { one: { kind: 'image', config: 'config', layers: [] }, two: { kind: 'image', config: 'other', layers: [] } } });
      await pushContent(client, repository, two, { v1: 'one' });
      await pushManifest(client, repository, two.manifest('two'), 'v1');
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: ['v1'] });
      expect((await client.headManifest(repository, 'v1')).header('Docker-Content-Digest')).toBe(two.manifest('two').digest);
      expectStatus(await client.headManifest(repository, two.manifest('one').digest), 200);
    });
  });

  describe('tags as parameters of a push by digest', () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      test(`every tag parameter of a ${algorithm} push is set and named in OCI-Tag`, async ({ client, repository }) => {
        const both = buildContent({ blobs: { config: '{}' }, manifests: { app: { kind: 'image', config: 'config', layers: [], algorithm } } });
        await pushBlob(client, repository, both.blob('config'));
        const tags = Array.from({ length: 12 }, (_, i) => `tag${i}`);
        const { digest, bytes, mediaType } = both.manifest('app');
        const answer = await client.putManifest(repository, digest, bytes, mediaType, { query: `?${tags.map((name) => `tag=${name}`).join('&')}` });
        expectStatus(answer, 201);
        expect((answer.header('OCI-Tag') ?? '').split(/, */).toSorted()).toEqual(tags.toSorted());
        for (const name of tags) {
          const got = await client.getManifest(repository, name);
          expect([got.status, got.header('Docker-Content-Digest'), got.body.equals(bytes)]).toEqual([200, digest, true]);
        }
      });
    }

    test('one bad tag refuses the whole push with 400', async ({ client, repository }) => {
      await pushBlob(client, repository, content.blob('config'));
      const { digest, bytes, mediaType } = content.manifest('app');
      expect((await client.putManifest(repository, digest, bytes, mediaType, { query: '?tag=good&tag=.bad' })).status).toBe(400);
      expectStatus(await client.headManifest(repository, 'good'), 404);
      expectStatus(await client.headManifest(repository, digest), 404);
    });

    test('a thousand tags are 414', async ({ client, repository }) => {
      await pushBlob(client, repository, content.blob('config'));
      const { digest, bytes, mediaType } = content.manifest('app');
      const query = `?${Array.from({ length: 1000 }, (_, i) => `tag=t${i}`).join('&')}`;
      expectError(await client.putManifest(repository, digest, bytes, mediaType, { query }), 414, 'UNSUPPORTED');
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: [] });
    });
  });
}

function tagList(body: unknown): { readonly name: unknown; readonly tags: readonly unknown[] } {
  if (typeof body !== 'object' || body === null || !('name' in body) || !('tags' in body) || !Array.isArray(body.tags)) throw new Error(`Expected a tag list, got ${JSON.stringify(body)}`);
  return { name: body.name, tags: body.tags };
}
