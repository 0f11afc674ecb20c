export { ensureBucket, ensureBucketUser } from './bucket.js';
export type { BucketUser } from './bucket.js';
export { S3BlobStorage } from './s3-blob-storage.js';
export type { S3Encryption, S3Options } from './s3-options.js';
