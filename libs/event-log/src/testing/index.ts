export { tagMovedEvent } from './event-builder.js';
export { describeEventFeed } from './event-feed.contract.js';
export type { EventFeedFixture } from './event-feed.contract.js';
export { describeEventStore } from './event-store.contract.js';
export type { EventStoreFixture } from './event-store.contract.js';
export { eventually } from './eventually.js';
export { brokenInvariants } from './log-invariants.js';
export { PushHistory } from './push-history.js';
export type { Pushed } from './push-history.js';
