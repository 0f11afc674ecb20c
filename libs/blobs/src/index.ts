export { BlobsModule } from './blobs.module.js';
export type { BlobHandlers, BlobsOptions } from './blobs.module.js';
export type { MustExist } from './uploads.js';
export { readUploadKey } from './upload-key.js';
export type { UploadKey } from './upload-key.js';
export { checkBlobs } from './blob-check.js';
export type { BlobCheck, BlobFault } from './blob-check.js';
export { endUploads } from './ended-uploads.js';
