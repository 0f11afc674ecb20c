import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStorage } from '@waybill/blob-storage';
import { FilesystemBlobStorage } from '@waybill/blob-storage/filesystem';
import { ensureBucket, S3BlobStorage } from '@waybill/blob-storage/s3';
import { startDebianPostgres } from '@waybill/event-log/testing';
import { requireBinaries, startMinio, temporaryFolder } from '@waybill/testing';

/** Where the blobs are while the database is restored over them. */
interface Bucket {
  readonly settings: Readonly<Record<string, string>>;
  readonly storage: BlobStorage;
  stop(): Promise<void>;
}

export interface BucketKind {
  readonly name: string;
  /** Whether it can be copied by the commands of the guide. */
  readonly isFolder: boolean;
  start(folder: string): Promise<Bucket>;
}

/** A database to back up, an empty one to restore into, and one bucket for both. */
export interface RestoreSite extends Bucket {
  readonly source: string;
  readonly target: string;
  /** An empty folder. */
  readonly backup: string;
}

/** A folder, and a bucket where MinIO is there; a missing one is told in plain words, and is a failure under CI=true. */
export function buckets(): BucketKind[] {
  const kinds: BucketKind[] = [{ name: 'a folder', isFolder: true, start: startFolder }];
  const binaries = requireBinaries('minio');
  if (binaries) kinds.push({ name: 'a bucket of MinIO', isFolder: false, start: () => startBucket(binaries.minio) });
  return kinds;
}

export async function startRestoreSite(kind: BucketKind): Promise<RestoreSite> {
  const folder = await temporaryFolder('restore');
  const backup = join(folder.path, 'backup');
  await mkdir(backup);
  const [source, target, bucket] = await Promise.all([startDebianPostgres(), startDebianPostgres(), kind.start(folder.path)]);
  return {
    ...bucket,
    source: source.url,
    target: target.url,
    backup,
    async stop() {
      await Promise.all([source.stop(), target.stop(), bucket.stop()]);
      await folder.remove();
    },
  };
}

async function startFolder(parent: string): Promise<Bucket> {
  const root = join(parent, 'blobs');
  const storage = await FilesystemBlobStorage.open({ root });
  return { settings: { WAYBILL_STORAGE_ROOT: root }, storage, stop: () => storage.close() };
}

async function startBucket(minio: string): Promise<Bucket> {
  const server = await startMinio(minio);
  const { endpoint, accessKey, secretKey } = server;
  const place = { endpoint, accessKey, secretKey, region: 'us-east-1', bucket: 'waybill' };
  await ensureBucket(place);
  const storage = await S3BlobStorage.open(place);
  const settings = {
    WAYBILL_STORAGE_DRIVER: 's3', WAYBILL_STORAGE_ENDPOINT: endpoint, WAYBILL_STORAGE_REGION: place.region, WAYBILL_STORAGE_BUCKET: place.bucket,
    WAYBILL_STORAGE_ACCESS_KEY: accessKey, WAYBILL_STORAGE_SECRET_KEY: secretKey,
  };
  const stop = async (): Promise<void> => {
    await storage.close();
    await server.stop();
  };
  return { settings, storage, stop };
}
