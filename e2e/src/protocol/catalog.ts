import { blobFixture, buildContent, isRecord, pushBlob, pushContent, type HttpAnswer } from '@waybill/testing';
import { expectError, expectStatus, nextPage } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** X1 of section 1 and Appendix C 0. Other tests push at the same time, so these look between two names of their own. */
export function describeCatalog(test: RegistryTest): void {
  describe('catalog', () => {
    test('lists repositories in byte order as application/json', async ({ client, repository }) => {
      const names = ['c', 'a', 'a/b', 'a-b', 'b'].map((last) => `${repository}/${last}`);
      for (const name of names) await pushBlob(client, name, blobFixture('{}'));
      const answer = await client.listRepositories(`?n=5&last=${encodeURIComponent(`${repository}/`)}`);
      expect([answer.status, answer.header('Content-Type')]).toEqual([200, 'application/json']);
      expect(repositories(answer)).toEqual(names.toSorted());
    });

    test('Link leads from page to page', async ({ client, repository }) => {
      const names = ['a', 'b', 'c', 'd', 'e'].map((last) => `${repository}/${last}`);
      for (const name of names) await pushBlob(client, name, blobFixture('{}'));
      const first = await client.listRepositories(`?n=2&last=${encodeURIComponent(`${repository}/`)}`);
      const second = await client.get(nextPage(first) ?? 'no link');
      expect([...repositories(first), ...repositories(second)]).toEqual(names.slice(0, 4));
      expect(nextPage(second)).toBeDefined();
    });

    test('the last page has no Link, and n=0 is empty without one', async ({ client }) => {
      const end = await client.listRepositories('?last=zzzz');
      expect([end.status, repositories(end), nextPage(end)]).toEqual([200, [], undefined]);
      const zero = await client.listRepositories('?n=0');
      expect([zero.status, repositories(zero), nextPage(zero)]).toEqual([200, [], undefined]);
    });

    test('a page has at most 100 names without n, and at most 1,000 with a larger one', async ({ client, repository }) => {
      const names = Array.from({ length: 105 }, (_, i) => `${repository}/r${String(i).padStart(3, '0')}`);
      const blob = blobFixture('{}');
      await pushBlob(client, names[0] ?? repository, blob);
      for (const name of names.slice(1)) expectStatus(await client.mountBlob(name, blob.digest, names[0]), 201);
      const start = encodeURIComponent(`${repository}/`);
      const page = await client.listRepositories(`?last=${start}`);
      expect(repositories(page)).toEqual(names.slice(0, 100));
      expect(nextPage(page)).toBeDefined();
      for (const n of ['100000', '2147483648']) expect(repositories(await client.listRepositories(`?n=${n}&last=${start}`)).slice(0, 105)).toEqual(names);
    });

    test('an n that is negative or no integer is 400 UNSUPPORTED', async ({ client }) => {
      for (const n of ['-1', 'x', '1.5']) expectError(await client.listRepositories(`?n=${n}`), 400, 'UNSUPPORTED');
    });

    test('a repository is not made by reading from it', async ({ client, repository, otherRepository }) => {
      await client.listTags(repository);
      await client.getManifest(repository, 'v1');
      const content = buildContent({ blobs: {}, manifests: { empty: { kind: 'index', manifests: [] } } });
      await pushContent(client, otherRepository, content);
      const listed = repositories(await client.listRepositories(`?last=${encodeURIComponent(repository.slice(0, -1))}&n=2`));
      expect(listed).not.toContain(repository);
      expect(listed).toContain(otherRepository);
    });
  });
}

function repositories(answer: HttpAnswer): readonly unknown[] {
  const body = answer.json();
  if (!isRecord(body) || !Array.isArray(body['repositories'])) throw new Error(`Expected a catalog, got ${answer}`);
  return body['repositories'];
}
