export { ByteCache } from './byte-cache.js';
export { isNotModified, namesDigest } from './http/conditional.js';
export type { Handler, Handlers } from './http/handler.js';
export type { HeaderList } from './http/exchange.js';
export { Exchange } from './http/exchange.js';
export { Database } from './postgres/sql.js';
export type { Sql, Statement } from './postgres/sql.js';
