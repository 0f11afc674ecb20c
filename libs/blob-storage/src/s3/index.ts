export { ensureBucket, S3BlobStorage } from './s3-blob-storage.js';
export type { S3Encryption, S3Options } from './s3-options.js';
