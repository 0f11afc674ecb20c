import { buildContent, manifestFixture, mediaTypes, pushBlob, pushContent, unknownDigest, blobFixture, isRecord, type HttpAnswer } from '@waybill/testing';
import { expectError, expectStatus, nextPage } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** Row 12 of section 1, R1 to R6. */
export function describeReferrers(test: RegistryTest): void {
  const content = buildContent({
    blobs: { config: '{}', payload: { json: { signed: true } } },
    manifests: {
      app: { kind: 'image', config: 'config', layers: [] },
      multi: { kind: 'index', manifests: ['app'] },
      signature: { kind: 'image', config: { blob: 'config', mediaType: mediaTypes.empty }, layers: ['payload'], subject: 'app', artifactType: 'application/vnd.example.signature', annotations: { 'org.example.a': '1', 'org.example.b': '2' } },
      sbom: { kind: 'image', config: { blob: 'config', mediaType: 'application/vnd.example.sbom.config' }, layers: ['payload'], subject: 'app' },
      bundle: { kind: 'index', manifests: [], subject: 'app', artifactType: 'application/vnd.example.bundle' },
      plainIndex: { kind: 'index', manifests: ['signature'], subject: 'app' },
      ofIndex: { kind: 'image', config: 'config', layers: [], subject: 'multi', artifactType: 'application/vnd.example.signature' },
    },
  });
  const app = content.manifest('app');

  describe('referrers', () => {
    test('every manifest and index with the subject is listed, tagged or not, with its type and annotations', async ({ client, repository }) => {
      await pushContent(client, repository, content, { 'a-tag': 'sbom' });
      const answer = await client.listReferrers(repository, app.digest);
      expectStatus(answer, 200);
      expect(answer.header('Content-Type')).toBe(mediaTypes.index);
      expect(answer.json()).toMatchObject({ schemaVersion: 2, mediaType: mediaTypes.index });
      const expected = [
        { ...content.manifest('signature').descriptor, artifactType: 'application/vnd.example.signature', annotations: { 'org.example.a': '1', 'org.example.b': '2' } },
        // Without artifactType an image counts as its config's media type.
        { ...content.manifest('sbom').descriptor, artifactType: 'application/vnd.example.sbom.config' },
        { ...content.manifest('bundle').descriptor, artifactType: 'application/vnd.example.bundle' },
        content.manifest('plainIndex').descriptor,
      ];
      expect(sorted(referrers(answer))).toEqual(sorted(expected));
      expect(referrers(await client.listReferrers(repository, content.manifest('multi').digest)).map((entry) => entry['digest'])).toEqual([content.manifest('ofIndex').digest]);
    });

    test('the push of an image or an index with a subject answers OCI-Subject, whether the subject exists or not', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      for (const name of ['signature', 'bundle'] as const) {
        const { digest, bytes, mediaType } = content.manifest(name);
        expect((await client.putManifest(repository, digest, bytes, mediaType)).header('OCI-Subject')).toBe(app.digest);
        expect((await client.putManifest(repository, 'tagged', bytes, mediaType)).header('OCI-Subject')).toBe(app.digest);
      }
    });

    test('a subject may be missing, in both algorithms, and may be pushed later', async ({ client, repository }) => {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const digest = unknownDigest(algorithm);
        const early = buildContent({ blobs: { config: '{}' }, manifests: { early: { kind: 'image', config: 'config', layers: [], subject: { mediaType: mediaTypes.image, digest, size: 77 } } } });
        await pushContent(client, repository, early);
        const { bytes, mediaType } = early.manifest('early');
        expect((await client.putManifest(repository, early.manifest('early').digest, bytes, mediaType)).header('OCI-Subject')).toBe(digest);
        expect(referrers(await client.listReferrers(repository, digest)).map((entry) => entry['digest'])).toEqual([early.manifest('early').digest]);
      }
    });

    test('no referrers, an unknown subject and an unknown repository are all an empty index with 200', async ({ client, repository, otherRepository }) => {
      await pushBlob(client, repository, blobFixture('here'));
      for (const [name, digest] of [[repository, unknownDigest()], [otherRepository, unknownDigest()], [otherRepository, `sha256:${'0'.repeat(64)}`], [repository, unknownDigest('sha512')]] as const) {
        const answer = await client.listReferrers(name, digest);
        expect([answer.status, answer.header('Content-Type')]).toEqual([200, mediaTypes.index]);
        expect(answer.json()).toEqual({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] });
      }
      expectError(await client.listTags(otherRepository), 404, 'NAME_UNKNOWN');
    });

    test('a filter gives only its artifact type and says so; without one nothing is said', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const filtered = await client.listReferrers(repository, app.digest, `?artifactType=${encodeURIComponent('application/vnd.example.signature')}`);
      expect(filtered.header('OCI-Filters-Applied')).toBe('artifactType');
      expect(referrers(filtered).map((entry) => entry['digest'])).toEqual([content.manifest('signature').digest]);
      const none = await client.listReferrers(repository, app.digest, '?artifactType=nothing/has.this');
      expect([none.status, none.header('OCI-Filters-Applied'), referrers(none)]).toEqual([200, 'artifactType', []]);
      expect((await client.listReferrers(repository, app.digest)).header('OCI-Filters-Applied')).toBeUndefined();
    });

    test('the config type of an image without artifactType can be filtered by', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const answer = await client.listReferrers(repository, app.digest, '?artifactType=application/vnd.example.sbom.config');
      expect(referrers(answer).map((entry) => entry['digest'])).toEqual([content.manifest('sbom').digest]);
    });

    test('several artifactType parameters are any of them, or the list is not filtered and does not claim to be', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const answer = await client.listReferrers(repository, app.digest, '?artifactType=application/vnd.example.signature&artifactType=application/vnd.example.bundle');
      const digests = referrers(answer).map((entry) => entry['digest']);
      if (answer.header('OCI-Filters-Applied') === undefined) expect(digests).toHaveLength(4);
      else expect(digests.toSorted()).toEqual([content.manifest('signature').digest, content.manifest('bundle').digest].toSorted());
    });

    test('n cuts the list into pages that are each a whole index, and Link leads through all of them', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const seen: unknown[] = [];
      let next: string | undefined = `/v2/${repository}/referrers/${app.digest}?n=1`;
      let pages = 0;
      for (; next !== undefined && pages < 10; pages += 1) {
        const answer = await client.get(next);
        expect(answer.json()).toMatchObject({ schemaVersion: 2, mediaType: mediaTypes.index });
        seen.push(...referrers(answer).map((entry) => entry['digest']));
        next = nextPage(answer);
      }
      expect(seen.toSorted()).toEqual(['signature', 'sbom', 'bundle', 'plainIndex'].map((name) => named(name)).toSorted());
      expect(pages).toBeGreaterThanOrEqual(4);
    });

    test('pages keep the filter', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const first = await client.listReferrers(repository, app.digest, '?n=1&artifactType=application/vnd.example.signature');
      expect(referrers(first)).toHaveLength(1);
      const next = nextPage(first);
      if (next !== undefined) expect(referrers(await client.get(next))).toEqual([]);
    });

    test('a page of large annotations stays under 4 MiB', async ({ client, repository }) => {
      await pushBlob(client, repository, content.blob('config'));
      const subject = unknownDigest();
      const size = 900_000;
      for (let i = 0; i < 6; i += 1) {
        const document = { schemaVersion: 2, mediaType: mediaTypes.image, config: { mediaType: mediaTypes.empty, digest: content.blob('config').digest, size: 2 }, layers: [], subject: { mediaType: mediaTypes.image, digest: subject, size: 1 }, annotations: { filler: String(i).repeat(size) } };
        const manifest = manifestFixture(Buffer.from(JSON.stringify(document)), mediaTypes.image);
        expectStatus(await client.putManifest(repository, manifest.digest, manifest.bytes, manifest.mediaType), 201);
      }
      let [next, count]: [string | undefined, number] = [`/v2/${repository}/referrers/${subject}`, 0];
      while (next !== undefined && count < 10) {
        const answer = await client.get(next);
        expect(answer.body.length).toBeLessThanOrEqual(4 * 1024 * 1024);
        count += referrers(answer).length;
        next = nextPage(answer);
      }
      expect(count).toBe(6);
    });

    test('a deleted referrer leaves the list at once; a deleted subject keeps it', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      expectStatus(await client.deleteManifest(repository, content.manifest('sbom').digest), 202);
      const left = referrers(await client.listReferrers(repository, app.digest)).map((entry) => entry['digest']);
      expect(left).not.toContain(content.manifest('sbom').digest);
      expect(left).toContain(content.manifest('signature').digest);
    });

    test('referrers of one repository are not listed in another', async ({ client, repository, otherRepository }) => {
      await pushContent(client, repository, content);
      expect(referrers(await client.listReferrers(otherRepository, app.digest))).toEqual([]);
    });

    test('what an old client lists under a fallback tag is answered where it has the subject, however the tag moves; the rest of the list is not, nor is the list', async ({ client, repository }) => {
      const old = buildContent({
        blobs: { config: '{}' },
        manifests: {
          app: { kind: 'image', config: 'config', layers: [] },
          signature: { kind: 'image', config: 'config', layers: [], subject: 'app', artifactType: 'application/vnd.example.signature' },
          sbom: { kind: 'image', config: 'config', layers: [], subject: 'app', artifactType: 'application/vnd.example.sbom' },
          // cosign's older form: it belongs to the image by the list alone
          unrelated: { kind: 'image', config: 'config', layers: [], annotations: { of: 'nobody' } },
          first: { kind: 'index', manifests: ['signature'] },
          whole: { kind: 'index', manifests: ['signature', 'sbom', 'unrelated'] },
        },
      });
      const { digest } = old.manifest('app');
      const tag = digest.replace(':', '-');
      const listed = async (query = ''): Promise<unknown[]> => referrers(await client.listReferrers(repository, digest, query)).map((entry) => entry['digest']).toSorted();
      const both = [old.manifest('signature').digest, old.manifest('sbom').digest].toSorted();
      await pushContent(client, repository, old, { [tag]: 'first' });
      expect(await listed()).toEqual(both);
      expectStatus(await client.putManifest(repository, tag, old.manifest('whole').bytes, mediaTypes.index), 201);
      expect(await listed()).toEqual(both);
      expect(await listed('?artifactType=application/vnd.example.sbom')).toEqual([old.manifest('sbom').digest]);
      expect((await client.listTags(repository)).json()).toEqual({ name: repository, tags: [tag] });
      expect((await client.getManifest(repository, tag)).body.equals(old.manifest('whole').bytes)).toBe(true);
      expectStatus(await client.deleteManifest(repository, tag), 202);
      expect(await listed()).toEqual(both);
    });

    test('a fallback tag that a client maintains by hand is an ordinary tag', async ({ client, repository }) => {
      await pushContent(client, repository, content);
      const tag = app.digest.replace(':', '-');
      const { bytes, mediaType, digest } = content.manifest('bundle');
      expectStatus(await client.putManifest(repository, tag, bytes, mediaType), 201);
      expect((await client.headManifest(repository, tag)).header('Docker-Content-Digest')).toBe(digest);
    });
  });

  function named(name: string): string {
    const names = { signature: content.manifest('signature'), sbom: content.manifest('sbom'), bundle: content.manifest('bundle'), plainIndex: content.manifest('plainIndex') };
    return new Map(Object.entries(names)).get(name)?.digest ?? name;
  }
}

/** The descriptors of a referrers answer. */
function referrers(answer: HttpAnswer): readonly Record<string, unknown>[] {
  const body = answer.json();
  if (!isRecord(body) || !Array.isArray(body['manifests'])) throw new Error(`Expected an index of referrers, got ${answer}`);
  return body['manifests'].filter(isRecord);
}

function sorted(entries: readonly Readonly<Record<string, unknown>>[]): readonly unknown[] {
  return entries.toSorted((a, b) => String(a['digest']).localeCompare(String(b['digest'])));
}
