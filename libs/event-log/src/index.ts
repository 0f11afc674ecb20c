export { EventStore, VersionConflict } from './event-store.js';
export type { AppendedEvent, ExpectedVersion, StreamAppend } from './event-store.js';
export { EventFeed } from './event-feed.js';
export type { Consumer, Subscription, SubscriptionStatus } from './event-feed.js';
export { OutletRefused } from './event-outlet.js';
export type { Acknowledged, EventOutlet, OpenOutlet, OutletBatch } from './event-outlet.js';
