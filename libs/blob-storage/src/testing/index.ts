export { describeBlobStorage } from './blob-storage.contract.js';
export type { BlobStorageSuite, BlobStorageSupport, BlobStorageUnderTest } from './blob-storage.contract.js';
