export { BlobStorage, BlobWriter } from './blob-storage.js';
export type { ByteRange, ByteSink, StorageKey } from './blob-storage.js';
