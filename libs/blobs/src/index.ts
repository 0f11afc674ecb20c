export { BlobsModule } from './blobs.module.js';
export type { BlobsOptions } from './blobs.module.js';
export { BlobRoutes } from './blob-routes.js';
export { UploadReaper } from './upload-reaper.js';
export { UploadRoutes } from './upload-routes.js';
export type { MustExist } from './uploads.js';
