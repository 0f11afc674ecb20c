import { ensureBucket } from '@waybill/blob-storage/s3';
import { S3Proxy, startMinio, type S3Server } from '@waybill/testing';
import { testDatabase, type TestDatabase } from '@waybill/testing/postgres';

/** MinIO behind a proxy, a database, and the settings that make a registry use both. */
export interface S3Bench {
  readonly minio: S3Server;
  readonly proxy: S3Proxy;
  readonly database: TestDatabase;
  readonly settings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Seconds for which S3 may be silent: short, because that is what these tests wait for. */
const TIMEOUT = '2s';

export async function s3Bench(binary: string): Promise<S3Bench> {
  const [minio, database] = await Promise.all([startMinio(binary), testDatabase()]);
  const proxy = await S3Proxy.start(minio.endpoint);
  const { accessKey, secretKey } = minio;
  const bucket = 'waybill';
  const region = 'us-east-1';
  await ensureBucket({ endpoint: minio.endpoint, accessKey, secretKey, region, bucket });
  return {
    minio,
    proxy,
    database,
    settings: {
      WAYBILL_STORAGE_DRIVER: 's3',
      WAYBILL_STORAGE_ENDPOINT: proxy.endpoint,
      WAYBILL_STORAGE_REGION: region,
      WAYBILL_STORAGE_BUCKET: bucket,
      WAYBILL_STORAGE_ACCESS_KEY: accessKey,
      WAYBILL_STORAGE_SECRET_KEY: secretKey,
      WAYBILL_STORAGE_PART_SIZE: '5 MiB',
      WAYBILL_STORAGE_TIMEOUT: TIMEOUT,
    },
    close: async () => {
      await proxy.stop();
      await minio.stop();
      await database.close();
    },
  };
}
