export { MemoryBlobStorage } from './memory-blob-storage.js';
export type { MemoryOptions } from './memory-blob-storage.js';
