import { blobFixture, locationOf, pushBlob } from '@waybill/testing';
import { expectBlobCreated, expectError, expectSession, expectStatus } from './expectations.js';
import type { RegistryTest } from './registry-test.js';

/** Rows 11 and 11' of section 1, and section 7 point 7. */
export function describeMounts(test: RegistryTest): void {
  describe('mounting a blob', () => {
    test('from a repository that has it: 201, and it is there at once', async ({ client, repository, otherRepository }) => {
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const blob = blobFixture({ random: 100, algorithm });
        await pushBlob(client, repository, blob);
        expectBlobCreated(await client.mountBlob(otherRepository, blob.digest, repository), otherRepository, blob.digest);
        expect((await client.getBlob(otherRepository, blob.digest)).body.equals(blob.bytes)).toBe(true);
      }
    });

    test('without from: 201 where some repository has it', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      expectBlobCreated(await client.mountBlob(otherRepository, blob.digest), otherRepository, blob.digest);
    });

    test('into the repository that already has it is 201', async ({ client, repository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      expectBlobCreated(await client.mountBlob(repository, blob.digest, repository), repository, blob.digest);
    });

    test('what cannot be mounted opens a session that takes the blob: unknown blob, unknown source, source without it, bad source, no source', async ({ client, repository, otherRepository }) => {
      await pushBlob(client, repository, blobFixture('something else'));
      const blob = blobFixture({ random: 100 });
      for (const from of [repository, 'nobody/pushed', 'BAD NAME', otherRepository, '', undefined]) {
        const answer = await client.mountBlob(otherRepository, blob.digest, from);
        expectSession(answer, 202, otherRepository, 0);
        expectStatus(await client.headBlob(otherRepository, blob.digest), 404);
        expectStatus(await client.cancelUpload(locationOf(answer)), 204);
      }
      const answer = await client.mountBlob(otherRepository, blob.digest, repository);
      expectBlobCreated(await client.completeUpload(locationOf(answer), blob.digest, { body: blob.bytes }), otherRepository, blob.digest);
    });

    test('a source that does not have the blob gives it to nobody, even when another repository has it', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, `${repository}/third`, blob);
      await pushBlob(client, repository, blobFixture('something else'));
      expectSession(await client.mountBlob(otherRepository, blob.digest, repository), 202, otherRepository, 0);
      expectStatus(await client.headBlob(otherRepository, blob.digest), 404);
    });

    test('a malformed digest is 400 DIGEST_INVALID', async ({ client, repository, otherRepository }) => {
      for (const digest of ['sha256:x', 'md5:d41d8cd98f00b204e9800998ecf8427e']) expectError(await client.mountBlob(otherRepository, digest, repository), 400, 'DIGEST_INVALID');
    });

    test('the origin parameter of a client is ignored', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      const answer = await client.startUpload(otherRepository, { query: `?mount=${encodeURIComponent(blob.digest)}&from=${encodeURIComponent(repository)}&origin=registry.example.org` });
      expectBlobCreated(answer, otherRepository, blob.digest);
    });

    test('a mounted blob stays when it is deleted from its source', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      await client.mountBlob(otherRepository, blob.digest, repository);
      expectStatus(await client.deleteBlob(repository, blob.digest), 202);
      expectStatus(await client.headBlob(repository, blob.digest), 404);
      expect((await client.getBlob(otherRepository, blob.digest)).body.equals(blob.bytes)).toBe(true);
    });

    test('a blob that is deleted everywhere cannot be mounted any more', async ({ client, repository, otherRepository }) => {
      const blob = blobFixture({ random: 100 });
      await pushBlob(client, repository, blob);
      await client.deleteBlob(repository, blob.digest);
      expectSession(await client.mountBlob(otherRepository, blob.digest, repository), 202, otherRepository, 0);
      expectSession(await client.mountBlob(otherRepository, blob.digest), 202, otherRepository, 0);
    });
  });
}
