import { Client } from 'minio';
import type { S3Server } from '@waybill/testing';
import { newStorageKey } from '../storage-key.js';
import { s3Servers } from '../testing/s3-servers.js';
import { bytesOf, readAll, upload } from '../testing/transfers.js';
import { ensureBucket, ensureBucketUser } from './bucket.js';
import { S3BlobStorage } from './s3-blob-storage.js';
import type { S3Options } from './s3-options.js';

const PART = 5 * 1024 * 1024;
const user = { accessKey: 'waybill-blobs', secretKey: 'the secret of blobs' };

const kinds = s3Servers();
const minio = kinds.find(({ name }) => name === 'minio');
if (minio === undefined) it.skip('the user of a bucket: minio is missing', () => undefined);
else {
  describe('the user of a bucket, on MinIO', () => {
    let server: S3Server;
    const options = (login: Partial<S3Options> = {}): S3Options => ({ endpoint: server.endpoint, region: 'us-east-1', bucket: 'ours', accessKey: server.accessKey, secretKey: server.secretKey, partSize: PART, attempts: 1, ...login });
    const as = (login: { readonly accessKey: string; readonly secretKey: string }): Client => {
      const { hostname, port } = new URL(server.endpoint);
      return new Client({ endPoint: hostname, port: Number(port), useSSL: false, region: 'us-east-1', ...login });
    };
    beforeAll(async () => {
      server = await minio.start();
      await ensureBucket(options());
      await ensureBucket(options({ bucket: 'theirs' }));
      await as(server).putObject('theirs', 'an-object', 'theirs');
      await ensureBucketUser(options(), user);
    });
    afterAll(() => server.stop());

    it('may do what the storage does: write in one piece and in parts, read, look, end an upload, delete, hand out addresses', async () => {
      const storage = await S3BlobStorage.open(options(user));
      await storage.check();
      for (const size of [10, 2 * PART + 7]) {
        const [key, bytes] = [newStorageKey(), bytesOf(size)];
        await upload(storage, key, bytes, 1024 * 1024);
        expect(await storage.stat(key)).toBe(size);
        expect((await readAll(storage, key)).equals(bytes)).toBe(true);
        expect((await fetch((await storage.presign(key, 60)) ?? '')).status).toBe(200);
        await storage.delete(key);
        // 404 and not 403: a blob that is gone is told from a storage that refuses
        expect(await storage.stat(key)).toBeUndefined();
      }
      const cancelled = storage.create(newStorageKey());
      await cancelled.write(bytesOf(PART + 1));
      await cancelled.cancel();
      await storage.delete(newStorageKey());
      await storage.close();
      for await (const left of as(server).listIncompleteUploads('ours', '', true)) throw new Error(`${left.key} is left`);
    });

    it('may do nothing else: no other bucket, none of its own, no policy, no administration', async () => {
      const client = as(user);
      const forbidden: Readonly<Record<string, () => Promise<unknown>>> = {
        read: () => client.getObject('theirs', 'an-object'),
        write: () => client.putObject('theirs', 'another', 'x'),
        delete: () => client.removeObject('theirs', 'an-object'),
        make: () => client.makeBucket('mine', 'us-east-1'),
        remove: () => client.removeBucket('ours'),
        publish: () => client.setBucketPolicy('ours', JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::ours/*' }] })),
      };
      for (const [what, call] of Object.entries(forbidden)) {
        expect([what, await call().then(() => 'done', (error: unknown) => Reflect.get(Object(error), 'code'))]).toEqual([what, 'AccessDenied']);
      }
      await expect(ensureBucketUser(options(user), { accessKey: 'another', secretKey: 'another secret' })).rejects.toThrow(/another \(add-canned-policy, status 403\).*AccessDenied/);
      expect((await client.listBuckets()).map(({ name }) => name)).toEqual(['ours']);
      expect((await as(server).statObject('theirs', 'an-object')).size).toBe(6);
    });

    it('gets another secret, and the old one is refused', async () => {
      const changed = { ...user, secretKey: 'another secret of blobs' };
      await Promise.all(Array.from({ length: 5 }, () => ensureBucketUser(options(), changed)));
      expect(await as(changed).bucketExists('ours')).toBe(true);
      await expect(as(user).bucketExists('ours')).rejects.toThrow(/authorized credentials/i);
    });

    it('is refused in words where it cannot be', async () => {
      await expect(ensureBucketUser(options(), { ...user, secretKey: 'short' })).rejects.toThrow(/add-user, status 400.*secret key length/i);
      await expect(ensureBucketUser(options({ secretKey: 'not the secret' }), user)).rejects.toThrow(/status 403.*signature/i);
    });
  });
}
