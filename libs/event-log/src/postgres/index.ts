export { PostgresEventStore, versionConflictOf } from './event-store.js';
export { PostgresEventFeed } from './event-feed.js';
export type { FeedOptions } from './event-feed.js';
export { Relay } from './relay.js';
export type { RelayLag, RelayOptions } from './relay.js';
export { Sealer } from './sealer.js';
export type { SealerLag, SealerOptions } from './sealer.js';
export { verifyLog } from './verify/verify.js';
export type { LogReport } from './verify/verify.js';
