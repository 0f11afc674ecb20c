export { BlobStorage, BlobWriter } from './blob-storage.js';
export type { ByteRange, ByteSink, StorageKey } from './blob-storage.js';
export { CheckedBlobStorage } from './checked-blob-storage.js';
export type { BlobStorageCall, BlobStorageOperation } from './checked-blob-storage.js';
export { ObjectMissing, TruncatedObject, WriterMisuse } from './errors.js';
export { isStorageKey, newStorageKey, parseStorageKey } from './storage-key.js';
