export { FilesystemBlobStorage } from './filesystem-blob-storage.js';
export type { FilesystemOptions } from './filesystem-blob-storage.js';
export type { SyncKind } from './durability.js';
