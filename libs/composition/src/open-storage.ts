import { CheckedBlobStorage } from '@waybill/blob-storage';
import type { BlobStorage, BlobStorageCall } from '@waybill/blob-storage';
import type { Config } from '@waybill/platform';

/**
 * The storage that the configuration names, behind the port's wrapper. An adapter is loaded only where it is used: the S3 client alone costs
 * 20 MB.
 */
export async function openStorage(config: Config, observe: (call: BlobStorageCall) => void): Promise<BlobStorage> {
  return new CheckedBlobStorage(await openAdapter(config.storage), observe);
}

async function openAdapter(storage: Config['storage']): Promise<BlobStorage> {
  switch (storage.driver) {
    case 'filesystem': {
      const { FilesystemBlobStorage } = await import('@waybill/blob-storage/filesystem');
      return FilesystemBlobStorage.open({ root: storage.root, directFrom: storage.directFrom });
    }
    case 's3': {
      const { S3BlobStorage } = await import('@waybill/blob-storage/s3');
      return S3BlobStorage.open({ ...storage, secretKey: storage.secretKey.reveal(), timeoutMs: storage.timeout * 1000 });
    }
    case 'memory': {
      const { MemoryBlobStorage } = await import('@waybill/blob-storage/memory');
      return new MemoryBlobStorage();
    }
  }
}
