import { ensureBucket } from '@waybill/blob-storage/s3';
import { RegistryProcess, requireBinaries, startMinio, type S3Server } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';
import { logIsEqual } from './log-proof.js';
import { describeRegistry } from './protocol/describe-registry.js';

const binaries = requireBinaries('minio');
const region = 'us-east-1';
let database: TestDatabase | undefined;
let s3: S3Server | undefined;

if (binaries === undefined) it.skip('apps/registry with blobs in an S3 bucket: MinIO is missing', () => undefined);
else {
  describeRegistry(
    'apps/registry with blobs in an S3 bucket',
    async () => {
      [database, s3] = await Promise.all([testDatabase(), startMinio(binaries.minio)]);
      const { endpoint, accessKey, secretKey } = s3;
      await ensureBucket({ endpoint, accessKey, secretKey, region, bucket: 'waybill' });
      const settings = {
        WAYBILL_STORAGE_DRIVER: 's3',
        WAYBILL_STORAGE_ENDPOINT: endpoint,
        WAYBILL_STORAGE_REGION: region,
        WAYBILL_STORAGE_BUCKET: 'waybill',
        WAYBILL_STORAGE_ACCESS_KEY: accessKey,
        WAYBILL_STORAGE_SECRET_KEY: secretKey,
      };
      return RegistryProcess.start({ databaseUrl: database.url, settings });
    },
    { atEnd: logIsEqual(() => database) },
  );
}
afterAll(async () => {
  await s3?.stop();
  await database?.close();
});
